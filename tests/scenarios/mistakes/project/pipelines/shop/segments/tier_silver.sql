/*---
segment: tier_silver
entity: customer
group: tier
priority: 1
---*/
SELECT customer_id FROM orders GROUP BY customer_id HAVING sum(amount) > 100
