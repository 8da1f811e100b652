/*---
segment: type_a_recipients
entity: household
description: Were sent a campaign of type A that has begun.
owner: crm
tags: [campaign]
---*/
SELECT household_id
FROM campaign_sends
WHERE campaign_id IN (
  SELECT campaign_id
  FROM campaigns
  WHERE campaign_type = 'Type A' AND CAST(start_date AS TIMESTAMP) < as_of()
)
