/*---
segment: power
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE newsletter
  AND 2 ^ 3 > 7
