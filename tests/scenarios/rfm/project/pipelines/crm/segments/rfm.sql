/*---
segment_set: rfm
entity: customer
description: Recency, frequency and revenue of all orders, in ten segments. The day before as_of is the last day counted.
owner: crm
tags: [behavioural, rfm]
---*/
WITH v AS (  -- an order on the last day counted has recency 0
  SELECT customer_id,
         CAST(date_part('day', date_trunc('day', as_of() - INTERVAL '1 day') - date_trunc('day', last_order_at)) AS BIGINT) AS recency,
         CAST(order_count AS BIGINT) AS frequency,
         revenue AS monetary
  FROM traits
  WHERE last_order_at IS NOT NULL
),
ranked AS (
  SELECT recency, frequency, monetary,
         count(*) OVER () AS n,
         row_number() OVER (ORDER BY recency) AS recency_rank,
         row_number() OVER (ORDER BY frequency) AS frequency_rank,
         row_number() OVER (ORDER BY monetary) AS monetary_rank
  FROM v
),
-- Type-7 quintile k lies at position k (n - 1) / 5, counted from 0: between the values at rank `base + 1` and the next, `rest`
-- fifths of the way. Everything is kept times five, so that no value is rounded.
place AS (
  SELECT k, (k * (n - 1) - k * (n - 1) % 5) / 5 AS base, k * (n - 1) % 5 AS rest
  FROM (SELECT DISTINCT n FROM ranked) AS size
  CROSS JOIN (VALUES (1), (2), (3), (4)) AS quintile (k)
),
cuts AS (
  SELECT k,
         sum(CASE WHEN recency_rank = base + 1 THEN recency * (5 - rest) WHEN recency_rank = base + 2 THEN recency * rest ELSE 0 END) AS recency_5,
         sum(CASE WHEN frequency_rank = base + 1 THEN frequency * (5 - rest) WHEN frequency_rank = base + 2 THEN frequency * rest ELSE 0 END) AS frequency_5,
         sum(CASE WHEN monetary_rank = base + 1 THEN monetary * (5 - rest) WHEN monetary_rank = base + 2 THEN monetary * rest ELSE 0 END) AS monetary_5
  FROM ranked CROSS JOIN place
  GROUP BY k
),
scored AS (  -- 1 + the number of cut points q with q + 1 <= x; recency is reversed
  SELECT v.customer_id,
         5 - count(*) FILTER (WHERE c.recency_5 + 5 <= v.recency * 5) AS r,
         1 + count(*) FILTER (WHERE c.frequency_5 + 5 <= v.frequency * 5) AS f,
         1 + count(*) FILTER (WHERE c.monetary_5 + 5 <= v.monetary * 5) AS m
  FROM v CROSS JOIN cuts AS c
  GROUP BY v.customer_id
)
SELECT customer_id,
       CASE
         WHEN r = 5 AND f = 5 AND m = 5 THEN 'Champions'
         WHEN r BETWEEN 3 AND 5 AND f BETWEEN 3 AND 5 AND m BETWEEN 2 AND 5 THEN 'Potential Loyalist'
         WHEN r BETWEEN 2 AND 4 AND f BETWEEN 2 AND 4 AND m BETWEEN 2 AND 4 THEN 'Loyal Customers'
         WHEN r BETWEEN 3 AND 4 AND f BETWEEN 1 AND 3 AND m BETWEEN 3 AND 5 THEN 'Promising'
         WHEN r BETWEEN 4 AND 5 AND f BETWEEN 1 AND 3 AND m BETWEEN 1 AND 5 THEN 'New Customers'
         WHEN r BETWEEN 1 AND 2 AND f BETWEEN 3 AND 4 AND m BETWEEN 4 AND 5 THEN 'Can''t Lose Them'
         WHEN r BETWEEN 1 AND 2 AND f BETWEEN 2 AND 5 AND m BETWEEN 4 AND 5 THEN 'At Risk'
         WHEN r BETWEEN 1 AND 3 AND f BETWEEN 3 AND 5 AND m BETWEEN 3 AND 5 THEN 'Need Attention'
         WHEN r BETWEEN 2 AND 3 AND f BETWEEN 1 AND 3 AND m BETWEEN 1 AND 4 THEN 'About To Sleep'
         WHEN r = 1 THEN 'Lost'
         ELSE 'Others'
       END AS label
FROM scored
