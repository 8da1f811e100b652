/*---
segment: wrong_arguments
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE date_part('day') > 30
