/*---
segment: unknown_segment
entity: customer
---*/
SELECT customer_id
FROM traits
WHERE newsletter AND NOT in_segment('vipp')
