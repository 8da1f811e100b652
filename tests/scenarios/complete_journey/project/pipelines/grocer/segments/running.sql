/*---
segment: running
entity: campaign
description: Campaigns that run now.
owner: marketing
---*/
SELECT campaign_id
FROM campaigns
WHERE CAST(start_date AS TIMESTAMP) < as_of()
  AND CAST(end_date AS TIMESTAMP) + INTERVAL '1 day' >= as_of()
