/*---
segment: top_100
entity: household
description: The 100 households that spent most in 90 days.
owner: crm
tags: [behavioural]
---*/
SELECT household_id
FROM (
  SELECT household_id, row_number() OVER (ORDER BY spend_90d DESC, household_id) AS place
  FROM traits
  WHERE spend_90d > 0
) AS ranked
WHERE place <= 100
