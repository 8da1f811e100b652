/*---
segment: one_time_buyers
entity: customer
description: Ordered once, more than 60 days ago, and never again.
owner: crm
tags: [behavioural, lifecycle]
expect: {share: [0, 0.40]}
---*/
SELECT customer_id
FROM traits
WHERE orders_total = 1 AND last_order_at < as_of() - INTERVAL '60 days'
