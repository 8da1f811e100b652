/*---
segment: unknown_entity
entity: costumer
---*/
SELECT customer_id FROM traits WHERE newsletter
