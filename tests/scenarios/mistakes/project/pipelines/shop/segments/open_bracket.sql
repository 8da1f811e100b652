/*---
segment: open_bracket
entity: customer
---*/
SELECT customer_id FROM orders
WHERE (amount > 100 OR status = 'paid'
