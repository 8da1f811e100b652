/*---
segment_set: clv_tier
entity: customer
description: Customer lifetime value so far, by paid revenue since the first order.
owner: analytics
tags: [value]
---*/
SELECT customer_id,
       CASE
           WHEN revenue_total >= 1500 THEN 'platinum'
           WHEN revenue_total >= 600 THEN 'gold'
           WHEN revenue_total >= 200 THEN 'silver'
           WHEN revenue_total > 0 THEN 'bronze'
           ELSE 'none'
       END AS label
FROM traits
