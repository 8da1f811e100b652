/*---
segment_set: value_tier
entity: household
description: All who bought in 90 days, in quarters by what they spent.
owner: crm
tags: [behavioural]
---*/
WITH spend AS (
  SELECT household_id, sum(sales_value) AS spend
  FROM baskets
  WHERE bought_at >= as_of() - INTERVAL '90 days'
  GROUP BY household_id
)
SELECT household_id,
       CASE ntile(4) OVER (ORDER BY spend DESC, household_id)
         WHEN 1 THEN 'platinum' WHEN 2 THEN 'gold' WHEN 3 THEN 'silver' ELSE 'bronze'
       END AS label
FROM spend
