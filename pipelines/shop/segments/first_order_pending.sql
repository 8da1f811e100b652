/*---
segment: first_order_pending
entity: customer
description: Registered in the last half year and has not ordered.
owner: crm
tags: [lifecycle]
---*/
SELECT customer_id
FROM traits
WHERE orders_total = 0 AND signed_up_at >= as_of() - INTERVAL '180 days'
