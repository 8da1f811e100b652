/*---
segment: buyers_30d
entity: household
description: Bought in the last 30 days.
owner: crm
tags: [behavioural]
---*/
SELECT DISTINCT household_id
FROM baskets
WHERE bought_at >= as_of() - INTERVAL '30 days'
