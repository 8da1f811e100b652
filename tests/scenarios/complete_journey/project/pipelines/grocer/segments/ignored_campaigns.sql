/*---
segment: ignored_campaigns
entity: household
description: Were sent two campaigns or more that are over, and redeemed in none of those.
owner: crm
tags: [campaign]
---*/
SELECT s.household_id
FROM campaign_sends AS s
JOIN campaigns AS c ON c.campaign_id = s.campaign_id
WHERE CAST(c.end_date AS TIMESTAMP) + INTERVAL '1 day' < as_of()
GROUP BY s.household_id
HAVING count(*) >= 2
EXCEPT
SELECT r.household_id
FROM redemptions AS r
JOIN campaigns AS c ON c.campaign_id = r.campaign_id
WHERE CAST(c.end_date AS TIMESTAMP) + INTERVAL '1 day' < as_of()
