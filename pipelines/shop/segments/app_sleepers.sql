/*---
segment: app_sleepers
entity: customer
description: Has the app and has not used it for 90 days.
owner: product
tags: [engagement, app]
---*/
SELECT customer_id
FROM traits
WHERE app_installed_on IS NOT NULL AND app_visits_90d = 0
