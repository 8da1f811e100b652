/*---
segment: not_a_condition
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE country
