/*---
segment: cart_abandoners
entity: customer
description: Put something into the cart in the last 30 days and has not ordered since.
owner: crm
tags: [behavioural, web]
---*/
SELECT c.customer_id
FROM (
    SELECT customer_id, max(occurred_at) AS last_cart_at
    FROM web_events
    WHERE action = 'cart' AND occurred_at >= as_of() - INTERVAL '30 days'
    GROUP BY customer_id
) AS c
LEFT JOIN (
    SELECT customer_id, max(ordered_at) AS last_any_order_at
    FROM orders
    WHERE ordered_at >= as_of() - INTERVAL '30 days'
    GROUP BY customer_id
) AS o ON o.customer_id = c.customer_id
WHERE o.last_any_order_at IS NULL OR o.last_any_order_at < c.last_cart_at
