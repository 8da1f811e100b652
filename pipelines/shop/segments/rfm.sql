/*---
segment_set: rfm
entity: customer
description: Value by recency, frequency and money of the last year, three points each.
owner: analytics
tags: [value]
---*/
WITH points AS (
    SELECT customer_id,
           CASE
               WHEN last_order_at >= as_of() - INTERVAL '60 days' THEN 3
               WHEN last_order_at >= as_of() - INTERVAL '180 days' THEN 2
               ELSE 1
           END AS recency,
           CASE WHEN orders_365d >= 6 THEN 3 WHEN orders_365d >= 2 THEN 2 WHEN orders_365d = 1 THEN 1 ELSE 0 END AS frequency,
           CASE WHEN revenue_365d >= 400 THEN 3 WHEN revenue_365d >= 120 THEN 2 ELSE 1 END AS money
    FROM traits
)
SELECT customer_id,
       CASE
           WHEN frequency = 0 THEN 'no_purchase'
           WHEN recency = 3 AND frequency = 3 AND money = 3 THEN 'champions'
           WHEN recency >= 2 AND frequency + money >= 5 THEN 'loyal_spenders'
           WHEN recency = 3 THEN 'promising'
           WHEN frequency + money >= 4 THEN 'at_risk'
           ELSE 'hibernating'
       END AS label
FROM points
