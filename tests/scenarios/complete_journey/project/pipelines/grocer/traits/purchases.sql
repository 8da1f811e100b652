/*---
traits: purchases
entity: household
defaults: {baskets_total: 0, baskets_30d: 0, spend_30d: 0, spend_previous_30d: 0, spend_90d: 0}
---*/
SELECT household_id,
       count(*)                                                                     AS baskets_total,
       count(*) FILTER (WHERE bought_at >= as_of() - INTERVAL '30 days')            AS baskets_30d,
       sum(sales_value) FILTER (WHERE bought_at >= as_of() - INTERVAL '30 days')    AS spend_30d,
       sum(sales_value) FILTER (WHERE bought_at >= as_of() - INTERVAL '60 days'
                                  AND bought_at < as_of() - INTERVAL '30 days')     AS spend_previous_30d,
       sum(sales_value) FILTER (WHERE bought_at >= as_of() - INTERVAL '90 days')    AS spend_90d,
       min(bought_at)                                                               AS first_basket_at,
       max(bought_at)                                                               AS last_basket_at
FROM baskets
GROUP BY household_id
