/*---
segment: web_regulars
entity: customer
description: Five or more visits on the web in the last 90 days.
owner: product
tags: [engagement, web]
---*/
SELECT customer_id
FROM traits
WHERE web_visits_90d >= 5
