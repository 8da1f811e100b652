/*---
segment_set: lifecycle
entity: customer
---*/
SELECT customer_id, CASE WHEN last_order_at IS NULL THEN 'none' ELSE 'buyer' END AS label
FROM traits
