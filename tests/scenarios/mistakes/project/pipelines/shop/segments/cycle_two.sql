/*---
segment: cycle_two
entity: customer
---*/
SELECT customer_id FROM traits WHERE in_segment('cycle_one')
