/*---
segment: electronics_shoppers
entity: customer
description: Bought or searched electronics in the last 90 days.
owner: marketing
tags: [behavioural]
---*/
SELECT customer_id
FROM customers
WHERE customer_id IN (
    SELECT customer_id
    FROM orders
    WHERE category = 'electronics' AND status = 'paid' AND ordered_at >= as_of() - INTERVAL '90 days'
)
OR customer_id IN (
    SELECT customer_id
    FROM web_events
    WHERE category = 'electronics' AND action = 'search' AND occurred_at >= as_of() - INTERVAL '90 days'
)
