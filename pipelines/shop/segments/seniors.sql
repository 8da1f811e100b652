/*---
segment: seniors
entity: customer
description: 65 years and older.
owner: marketing
tags: [demographic]
expect: {share: [0.005, 0.15]}
---*/
SELECT customer_id
FROM customers
WHERE date_part('year', as_of()) - birth_year >= 65
