/*---
segment: known_answers
entity: customer
tests:
  - {as_of: 2024-02-30, members: [c1]}
---*/
SELECT customer_id FROM traits WHERE newsletter
