/*---
segment: all
entity: customer
---*/
SELECT customer_id FROM customers
