/*---
segment: sale_hunters
entity: customer
description: Places most orders in the months of the summer sale and Black Friday.
owner: marketing
tags: [behavioural]
---*/
SELECT customer_id
FROM traits
WHERE placed_orders_365d >= 3 AND sale_orders_365d * 2 > placed_orders_365d
