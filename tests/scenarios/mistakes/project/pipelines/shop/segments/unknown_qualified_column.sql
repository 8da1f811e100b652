/*---
segment: unknown_qualified_column
entity: customer
---*/
SELECT t.customer_id
FROM traits AS t JOIN orders AS o ON o.customer_id = t.customer_id
WHERE o.amont > 100
