/*---
segment: reactivated
entity: customer
description: Ordered in the last 30 days after at least 120 days without an order.
owner: crm
tags: [lifecycle]
---*/
SELECT t.customer_id
FROM traits AS t
WHERE t.orders_30d >= 1
  AND t.first_order_at < as_of() - INTERVAL '150 days'
  AND NOT EXISTS (
      SELECT 1
      FROM orders AS o
      WHERE o.customer_id = t.customer_id
        AND o.status = 'paid'
        AND o.ordered_at >= as_of() - INTERVAL '150 days'
        AND o.ordered_at < as_of() - INTERVAL '30 days'
  )
