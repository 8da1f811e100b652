/*---
traits: home
entity: customer
---*/
SELECT customer_id, min(status) AS first_status, max(campaign) AS country
FROM orders JOIN sends USING (customer_id)
GROUP BY customer_id
