/*---
segment_set: order_channel
entity: customer
description: The channel of most of the orders of the last year.
owner: product
tags: [engagement, behavioural]
---*/
SELECT customer_id,
       CASE
           WHEN web_orders_365d + app_orders_365d + store_orders_365d = 0 THEN 'none'
           WHEN store_orders_365d > web_orders_365d + app_orders_365d THEN 'store'
           WHEN app_orders_365d > web_orders_365d THEN 'app'
           ELSE 'web'
       END AS label
FROM traits
