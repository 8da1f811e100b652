/*---
segment: rising
entity: household
description: Spent more than half as much again as in the 30 days before.
owner: crm
tags: [behavioural]
---*/
SELECT household_id
FROM traits
WHERE spend_previous_30d > 0 AND spend_30d * 2 > spend_previous_30d * 3
