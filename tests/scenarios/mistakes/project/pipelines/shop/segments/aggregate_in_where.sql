/*---
segment: aggregate_in_where
entity: customer
---*/
SELECT customer_id
FROM orders
WHERE count(*) > 3
GROUP BY customer_id
