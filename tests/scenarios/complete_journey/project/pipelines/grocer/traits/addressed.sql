/*---
traits: addressed
entity: household
defaults: {campaigns_received: 0}
---*/
SELECT s.household_id,
       count(*)          AS campaigns_received,
       max(c.start_date) AS last_campaign_on
FROM campaign_sends AS s
JOIN campaigns AS c ON c.campaign_id = s.campaign_id
WHERE CAST(c.start_date AS TIMESTAMP) < as_of()
GROUP BY s.household_id
