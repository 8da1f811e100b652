/*---
segment: ambiguous
entity: customer
---*/
SELECT customer_id
FROM traits AS t JOIN orders AS o ON o.customer_id = t.customer_id
WHERE o.amount > 100
