/*---
segment: of_broken_traits
entity: customer
description: Without a mistake of its own. The trait it uses stands in a file that has one.
---*/
SELECT customer_id FROM traits WHERE basket_value > 50 AND NOT in_segment('wrong_key')
