/*---
segment: unknown_column
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE newsletter AND revenu_365d > 100
