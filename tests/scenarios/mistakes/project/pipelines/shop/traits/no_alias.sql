/*---
traits: no_alias
entity: customer
---*/
SELECT customer_id, max(amount)
FROM orders
GROUP BY customer_id
