/*---
segment_set: set_with_one_column
entity: customer
---*/
SELECT customer_id
FROM traits
