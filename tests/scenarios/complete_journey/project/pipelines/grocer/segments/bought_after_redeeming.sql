/*---
segment: bought_after_redeeming
entity: household
description: Bought within three days after a coupon that they redeemed in the last 90 days.
owner: crm
tags: [campaign]
---*/
SELECT DISTINCT r.household_id
FROM redemptions AS r
JOIN baskets AS b ON b.household_id = r.household_id
WHERE r.redeemed_at >= as_of() - INTERVAL '90 days'
  AND b.bought_at >= r.redeemed_at + INTERVAL '1 day'
  AND b.bought_at < r.redeemed_at + INTERVAL '4 days'
