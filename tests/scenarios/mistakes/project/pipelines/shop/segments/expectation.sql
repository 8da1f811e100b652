/*---
segment: expectation
entity: customer
expect: {min_size: 10, share: [0.1, 0.01]}
---*/
SELECT customer_id FROM traits WHERE newsletter
