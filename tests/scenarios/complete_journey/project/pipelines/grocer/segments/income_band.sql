/*---
segment_set: income_band
entity: household
description: Income in three bands.
owner: crm
tags: [profile]
---*/
SELECT household_id,
       CASE
         WHEN income IN ('Under 15K', '15-24K', '25-34K') THEN 'low'
         WHEN income IN ('35-49K', '50-74K', '75-99K') THEN 'middle'
         ELSE 'high'
       END AS label
FROM households
