/*---
traits: not_grouped
entity: customer
---*/
SELECT customer_id,
       status,
       sum(amount) AS revenue_by_status
FROM orders
GROUP BY customer_id
