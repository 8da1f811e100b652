/*---
segment: tier_bronze
entity: customer
group: tier
---*/
SELECT customer_id FROM orders
