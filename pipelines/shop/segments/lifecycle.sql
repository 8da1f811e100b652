/*---
segment_set: lifecycle
entity: customer
description: Where a customer stands between the first visit and the last.
owner: crm
tags: [lifecycle]
---*/
SELECT customer_id,
       CASE
           WHEN signed_up_at >= as_of() - INTERVAL '60 days' THEN 'new'
           WHEN last_order_at >= as_of() - INTERVAL '90 days' AND orders_365d >= 8 THEN 'loyal'
           WHEN coalesce(last_order_at, signed_up_at) >= as_of() - INTERVAL '90 days' THEN 'active'
           WHEN coalesce(last_order_at, signed_up_at) >= as_of() - INTERVAL '270 days' THEN 'dormant'
           ELSE 'lost'
       END AS label
FROM traits
