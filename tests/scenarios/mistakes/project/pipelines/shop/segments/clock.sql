/*---
segment: clock
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE last_order_at >= now() - INTERVAL '30 days'
