/*---
segment: store_hoppers
entity: household
description: Bought in four stores or more within 90 days.
owner: crm
tags: [behavioural]
---*/
SELECT household_id
FROM baskets
WHERE bought_at >= as_of() - INTERVAL '90 days'
GROUP BY household_id
HAVING count(DISTINCT store_id) >= 4
