/*---
traits: order_channels
entity: customer
defaults: {web_orders_365d: 0, app_orders_365d: 0, store_orders_365d: 0, placed_orders_365d: 0, returned_orders_365d: 0, outdoor_orders_365d: 0, sale_orders_365d: 0}
---*/
SELECT customer_id,
       count(*)                                                    AS placed_orders_365d,
       count(*) FILTER (WHERE channel = 'web')                     AS web_orders_365d,
       count(*) FILTER (WHERE channel = 'app')                     AS app_orders_365d,
       count(*) FILTER (WHERE channel = 'store')                   AS store_orders_365d,
       count(*) FILTER (WHERE status = 'returned')                 AS returned_orders_365d,
       count(*) FILTER (WHERE category = 'outdoor')                AS outdoor_orders_365d,
       count(*) FILTER (WHERE date_part('month', ordered_at) IN (7, 11)) AS sale_orders_365d
FROM orders
WHERE status <> 'cancelled' AND ordered_at >= as_of() - INTERVAL '365 days'
GROUP BY customer_id
