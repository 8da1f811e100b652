/*---
segment: wrong_key
entity: customer
---*/
SELECT order_id
FROM orders
