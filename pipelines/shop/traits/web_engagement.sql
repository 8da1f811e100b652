/*---
traits: web_engagement
entity: customer
defaults: {visits_90d: 0, web_visits_90d: 0, app_visits_90d: 0, searches_90d: 0, carts_90d: 0}
---*/
SELECT customer_id,
       count(*) FILTER (WHERE action = 'visit')                      AS visits_90d,
       count(*) FILTER (WHERE action = 'visit' AND channel = 'web')  AS web_visits_90d,
       count(*) FILTER (WHERE action = 'visit' AND channel = 'app')  AS app_visits_90d,
       count(*) FILTER (WHERE action = 'search')                     AS searches_90d,
       count(*) FILTER (WHERE action = 'cart')                       AS carts_90d
FROM web_events
WHERE occurred_at >= as_of() - INTERVAL '90 days'
GROUP BY customer_id
