/*---
segment: weekend_shoppers
entity: household
description: Most baskets of the last 60 days were bought on a Saturday or Sunday, UTC; four baskets at least.
owner: crm
tags: [behavioural]
---*/
SELECT household_id
FROM baskets
WHERE bought_at >= as_of() - INTERVAL '60 days'
GROUP BY household_id
HAVING count(*) >= 4
   AND count(*) FILTER (WHERE date_part('dow', bought_at) IN (0, 6)) * 2 > count(*)
