/*---
segment: no_entity
description: Nobody said of whom.
---*/
SELECT customer_id FROM traits WHERE newsletter
