/*---
segment: lapsing_vip
entity: customer
description: Good customers who have gone quiet.
owner: crm
tags: [behavioural, lifecycle]
expect: {share: [0, 0.20]}
tests:
  - {as_of: 2026-11-01, members: [c00108, c00317], not_members: [c00005, c00033]}      # of the demo with its default seed
---*/
SELECT customer_id
FROM traits
WHERE revenue_365d >= 300
  AND last_order_at BETWEEN as_of() - INTERVAL '120 days' AND as_of() - INTERVAL '45 days'
  AND NOT in_segment('open_complaint')
