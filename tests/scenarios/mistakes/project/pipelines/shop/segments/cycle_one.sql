/*---
segment: cycle_one
entity: customer
---*/
SELECT customer_id FROM traits WHERE newsletter AND NOT in_segment('cycle_two')
