/*---
segment: long_pauses
entity: household
description: Once let 30 days pass between two baskets.
owner: crm
tags: [lifecycle]
---*/
WITH gaps AS (
  SELECT household_id, bought_at,
         lag(bought_at) OVER (PARTITION BY household_id ORDER BY bought_at, basket_id) AS before
  FROM baskets
)
SELECT DISTINCT household_id FROM gaps WHERE before <= bought_at - INTERVAL '30 days'
