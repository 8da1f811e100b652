/*---
segment: app_users
entity: customer
description: Used the app in the last 90 days.
owner: product
tags: [engagement, app]
---*/
SELECT customer_id
FROM traits
WHERE app_visits_90d >= 1
