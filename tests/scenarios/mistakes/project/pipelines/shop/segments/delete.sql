/*---
segment: delete
entity: customer
---*/
DELETE FROM orders
