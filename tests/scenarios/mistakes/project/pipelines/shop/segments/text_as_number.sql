/*---
segment: text_as_number
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE newsletter AND country + 1 = 2
