/*---
traits: order_status
entity: customer
defaults: {paid_orders: none}
---*/
SELECT customer_id, count(*) FILTER (WHERE status = 'paid') AS paid_orders
FROM orders
GROUP BY customer_id
