/*---
segment: two_columns
entity: customer
---*/
SELECT customer_id, country
FROM traits
