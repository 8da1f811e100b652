/*---
traits: order_behaviour
entity: customer
defaults: {order_count: 0, revenue: 0}
---*/
SELECT customer_id,
       count(*)        AS order_count,
       sum(revenue)    AS revenue,
       max(ordered_at) AS last_order_at
FROM orders
GROUP BY customer_id
