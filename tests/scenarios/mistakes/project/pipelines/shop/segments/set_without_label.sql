/*---
segment: set_without_label
entity: customer
---*/
SELECT customer_id FROM traits WHERE in_segment('lifecycle')
