/*---
segment: quotes
entity: customer
---*/
SELECT customer_id FROM customers
WHERE country = "DE"
