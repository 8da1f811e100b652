/*---
segment: serial_returners
entity: customer
description: Sent back at least a third of four orders or more.
owner: service
tags: [behavioural]
expect: {share: [0, 0.10]}
---*/
SELECT customer_id
FROM traits
WHERE placed_orders_365d >= 4 AND returned_orders_365d * 3 >= placed_orders_365d
