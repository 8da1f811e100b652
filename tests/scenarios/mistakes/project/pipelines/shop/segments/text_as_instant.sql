/*---
segment: text_as_instant
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE newsletter AND last_order_at > 'yesterday'
