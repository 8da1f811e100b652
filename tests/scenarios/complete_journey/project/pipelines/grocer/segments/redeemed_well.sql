/*---
segment: redeemed_well
entity: campaign
description: Campaigns in which a tenth of the households addressed redeemed.
owner: marketing
---*/
SELECT s.campaign_id
FROM campaign_sends AS s
LEFT JOIN (SELECT DISTINCT campaign_id, household_id FROM redemptions) AS r
  ON r.campaign_id = s.campaign_id AND r.household_id = s.household_id
GROUP BY s.campaign_id
HAVING count(r.household_id) * 10 >= count(*)
