/*---
segment: current_date
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE CAST(last_order_at AS DATE) = current_date
