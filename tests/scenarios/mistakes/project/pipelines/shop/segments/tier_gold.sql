/*---
segment: tier_gold
entity: customer
group: tier
priority: 1
---*/
SELECT customer_id FROM orders GROUP BY customer_id HAVING sum(amount) > 1000
