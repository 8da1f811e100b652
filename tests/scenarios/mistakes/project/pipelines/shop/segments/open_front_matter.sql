/*---
segment: open_front_matter
entity: customer
SELECT customer_id FROM traits WHERE newsletter
