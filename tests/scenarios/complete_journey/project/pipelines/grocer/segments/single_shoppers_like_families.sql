/*---
segment: single_shoppers_like_families
entity: household
description: Households of one that fill baskets as families do, with 15 items or more on average in 60 days.
owner: crm
tags: [profile]
---*/
SELECT h.household_id
FROM households AS h
JOIN (
  SELECT household_id, count(*) AS baskets, sum(lines) AS lines
  FROM baskets
  WHERE bought_at >= as_of() - INTERVAL '60 days'
  GROUP BY household_id
) AS b ON b.household_id = h.household_id
WHERE h.household_size = '1' AND b.lines >= 15 * b.baskets
