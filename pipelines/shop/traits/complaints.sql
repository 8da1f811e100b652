/*---
traits: complaints
entity: customer
defaults: {complaints_365d: 0, open_complaints: 0}
---*/
SELECT customer_id,
       count(*) FILTER (WHERE opened_at >= as_of() - INTERVAL '365 days') AS complaints_365d,
       count(*) FILTER (WHERE closed_at IS NULL OR closed_at >= as_of())  AS open_complaints
FROM complaints
GROUP BY customer_id
