/*---
traits: order_behaviour
entity: customer
defaults: {orders_365d: 0, revenue_365d: 0, orders_90d: 0, revenue_90d: 0, orders_30d: 0, categories_365d: 0}
---*/
SELECT customer_id,
       count(*)                                                                        AS orders_365d,
       sum(amount)                                                                     AS revenue_365d,
       count(*) FILTER (WHERE ordered_at >= as_of() - INTERVAL '90 days')              AS orders_90d,
       coalesce(sum(amount) FILTER (WHERE ordered_at >= as_of() - INTERVAL '90 days'), 0) AS revenue_90d,
       count(*) FILTER (WHERE ordered_at >= as_of() - INTERVAL '30 days')              AS orders_30d,
       count(DISTINCT category)                                                        AS categories_365d
FROM orders
WHERE status = 'paid' AND ordered_at >= as_of() - INTERVAL '365 days'
GROUP BY customer_id
