/*---
segment: students_age
entity: customer
description: Between 18 and 25 years old.
owner: marketing
tags: [demographic]
expect: {share: [0.02, 0.20]}
---*/
SELECT customer_id
FROM customers
WHERE date_part('year', as_of()) - birth_year BETWEEN 18 AND 25
