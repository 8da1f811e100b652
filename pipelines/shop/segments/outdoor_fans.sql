/*---
segment: outdoor_fans
entity: customer
description: Buys outdoor articles regularly.
owner: marketing
tags: [behavioural]
---*/
SELECT customer_id
FROM traits
WHERE outdoor_orders_365d >= 3
