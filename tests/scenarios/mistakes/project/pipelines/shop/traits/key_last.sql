/*---
traits: key_last
entity: customer
---*/
SELECT min(amount) AS smallest_order, customer_id
FROM orders
GROUP BY customer_id
