/*---
segment: big_basket
entity: customer
description: An average order of 120 EUR or more, over three orders or more.
owner: analytics
tags: [value]
---*/
SELECT customer_id
FROM traits
WHERE orders_total >= 3 AND average_order_value >= 120
