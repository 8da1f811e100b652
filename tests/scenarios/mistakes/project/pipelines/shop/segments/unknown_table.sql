/*---
segment: unknown_table
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE EXISTS (SELECT 1 FROM ordres WHERE ordres.customer_id = traits.customer_id)
