/*---
segment: vip
entity: customer
description: Spent 1200 EUR or more in the last year.
owner: crm
tags: [value]
expect: {share: [0, 0.20]}
tests:
  - {as_of: 2026-11-01, members: [c00002, c00065, c00199], not_members: [c00048, c00190]}      # of the demo with its default seed
---*/
SELECT customer_id
FROM traits
WHERE revenue_365d >= 1200
