/*---
segment: unknown_function
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE days_between(as_of(), last_order_at) > 30
