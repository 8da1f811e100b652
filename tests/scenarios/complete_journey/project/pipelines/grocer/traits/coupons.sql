/*---
traits: coupons
entity: household
defaults: {redemptions_total: 0}
---*/
SELECT household_id,
       count(*)                    AS redemptions_total,
       count(DISTINCT campaign_id) AS campaigns_redeemed,
       max(redeemed_at)            AS last_redeemed_at
FROM redemptions
GROUP BY household_id
