/*---
segment: vip
entity: customer
---*/
SELECT customer_id FROM customers WHERE newsletter
