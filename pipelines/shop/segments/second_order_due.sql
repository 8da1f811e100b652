/*---
segment: second_order_due
entity: customer
description: The first and only order is two to eight weeks old.
owner: crm
tags: [lifecycle]
---*/
SELECT customer_id
FROM traits
WHERE orders_total = 1
  AND first_order_at BETWEEN as_of() - INTERVAL '56 days' AND as_of() - INTERVAL '14 days'
