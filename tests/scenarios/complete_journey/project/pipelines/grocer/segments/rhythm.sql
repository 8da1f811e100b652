/*---
segment_set: rhythm
entity: household
description: How often a household shops, by its baskets in the last 28 days.
owner: crm
tags: [behavioural]
---*/
SELECT household_id,
       CASE
         WHEN count(*) >= 12 THEN 'several times a week'
         WHEN count(*) >= 4 THEN 'weekly'
         ELSE 'now and then'
       END AS label
FROM baskets
WHERE bought_at >= as_of() - INTERVAL '28 days'
GROUP BY household_id
