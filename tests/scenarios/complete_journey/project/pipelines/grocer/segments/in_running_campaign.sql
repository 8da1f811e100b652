/*---
segment: in_running_campaign
entity: household
description: Were sent a campaign that runs now.
owner: crm
tags: [campaign]
---*/
SELECT s.household_id
FROM campaign_sends AS s
JOIN campaigns AS c ON c.campaign_id = s.campaign_id
WHERE CAST(c.start_date AS TIMESTAMP) < as_of()
  AND CAST(c.end_date AS TIMESTAMP) + INTERVAL '1 day' >= as_of()
