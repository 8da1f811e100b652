/*---
traits: mail
entity: customer
defaults: {mails_30d: 0, mails_90d: 0}
---*/
SELECT customer_id, count(*) AS mails_30d
FROM sends
WHERE sent_at >= as_of() - INTERVAL '30 days'
GROUP BY customer_id
