/*---
segment: convenience_first
entity: customer
description: Shopping must above all be quick.
owner: product
tags: [psychographic]
---*/
SELECT customer_id
FROM traits
WHERE convenience_importance >= 4 AND price_importance <= 3
