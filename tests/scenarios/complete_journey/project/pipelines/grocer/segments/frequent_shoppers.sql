/*---
segment: frequent_shoppers
entity: household
description: Ten baskets or more in 30 days.
owner: crm
tags: [behavioural]
---*/
SELECT household_id
FROM baskets
WHERE bought_at >= as_of() - INTERVAL '30 days'
GROUP BY household_id
HAVING count(*) >= 10
