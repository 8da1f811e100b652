/*---
traits: email_engagement
entity: customer
defaults: {mails_180d: 0, opens_180d: 0, clicks_180d: 0}
---*/
SELECT customer_id,
       count(*)                                                                 AS mails_180d,
       count(*) FILTER (WHERE opened_at IS NOT NULL AND opened_at < as_of())    AS opens_180d,
       count(*) FILTER (WHERE clicked_at IS NOT NULL AND clicked_at < as_of())  AS clicks_180d
FROM sends
WHERE status = 'delivered' AND sent_at >= as_of() - INTERVAL '180 days'
GROUP BY customer_id
