/*---
segment_set: age_band
entity: customer
description: Age reached in this calendar year.
owner: marketing
tags: [demographic]
---*/
SELECT customer_id,
       CASE
           WHEN birth_year IS NULL THEN 'unknown'
           WHEN date_part('year', as_of()) - birth_year < 30 THEN 'under_30'
           WHEN date_part('year', as_of()) - birth_year < 45 THEN 'from_30_to_44'
           WHEN date_part('year', as_of()) - birth_year < 60 THEN 'from_45_to_59'
           ELSE 'from_60'
       END AS label
FROM customers
