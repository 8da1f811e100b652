/*---
segment: syntax
entity: customer
---*/
SELECT customer_id
FROM orders
WHERE amount > > 100
