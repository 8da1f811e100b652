/*---
segment: redeemers_60d
entity: household
description: Redeemed a coupon in the last 60 days.
owner: crm
tags: [campaign]
---*/
SELECT h.household_id
FROM households AS h
WHERE EXISTS (
  SELECT 1
  FROM redemptions AS r
  WHERE r.household_id = h.household_id
    AND r.redeemed_at >= as_of() - INTERVAL '60 days'
)
