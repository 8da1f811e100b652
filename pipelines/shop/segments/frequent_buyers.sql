/*---
segment: frequent_buyers
entity: customer
description: Ordered three times or more in the last 90 days.
owner: crm
tags: [behavioural]
---*/
SELECT customer_id
FROM traits
WHERE orders_90d >= 3
