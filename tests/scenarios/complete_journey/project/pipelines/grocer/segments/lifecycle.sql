/*---
segment_set: lifecycle
entity: household
description: Where a household stands, by its first and last basket.
owner: crm
tags: [lifecycle]
---*/
SELECT household_id,
       CASE
         WHEN last_basket_at IS NULL THEN 'none'
         WHEN last_basket_at < as_of() - INTERVAL '30 days' THEN 'lapsed'
         WHEN last_basket_at < as_of() - INTERVAL '10 days' THEN 'cooling'
         WHEN first_basket_at >= as_of() - INTERVAL '60 days' THEN 'new'
         ELSE 'active'
       END AS label
FROM traits
