/*---
segment: rising_value
entity: customer
description: Spent more in the last 90 days than in the nine months before.
owner: analytics
tags: [value]
---*/
SELECT customer_id
FROM traits
WHERE orders_365d >= 3 AND revenue_90d * 2 > revenue_365d
