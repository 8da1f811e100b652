/*---
traits: order_history
entity: customer
defaults: {orders_total: 0, revenue_total: 0}
---*/
SELECT customer_id,
       count(*)        AS orders_total,
       sum(amount)     AS revenue_total,
       avg(amount)     AS average_order_value,
       min(ordered_at) AS first_order_at,
       max(ordered_at) AS last_order_at
FROM orders
WHERE status = 'paid'
GROUP BY customer_id
