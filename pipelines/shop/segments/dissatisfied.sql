/*---
segment: dissatisfied
entity: customer
description: Said so in the survey, or complained twice in a year.
owner: service
tags: [satisfaction]
---*/
SELECT customer_id
FROM traits
WHERE satisfaction <= 2 OR complaints_365d >= 2
