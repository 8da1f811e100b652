/*---
traits: value
entity: customer
---*/
SELECT customer_id, revenue_365d / orders_365d AS basket_value FROM traits
