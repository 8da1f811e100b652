/*---
traits: order_behaviour
entity: customer
defaults: {orders_365d: 0, revenue_365d: 0}
---*/
SELECT customer_id,
       count(*)        AS orders_365d,
       sum(amount)     AS revenue_365d,
       max(ordered_at) AS last_order_at
FROM orders
WHERE ordered_at >= as_of() - INTERVAL '365 days'
GROUP BY customer_id
