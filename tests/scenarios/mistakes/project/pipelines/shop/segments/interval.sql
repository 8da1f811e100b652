/*---
segment: interval
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE newsletter
  AND as_of() - last_order_at > INTERVAL '30 days'
