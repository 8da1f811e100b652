/*---
segment: all_columns
entity: customer
---*/
SELECT * FROM orders
