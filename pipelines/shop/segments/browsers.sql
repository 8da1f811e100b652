/*---
segment: browsers
entity: customer
description: Visits often and buys nothing.
owner: product
tags: [behavioural, web]
---*/
SELECT customer_id
FROM traits
WHERE visits_90d >= 4 AND orders_90d = 0
