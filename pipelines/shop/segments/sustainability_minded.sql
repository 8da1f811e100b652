/*---
segment: sustainability_minded
entity: customer
description: Pays more for goods made fairly, and cares less about the price.
owner: product
tags: [psychographic]
---*/
SELECT customer_id
FROM traits
WHERE sustainability_importance >= 4 AND price_importance <= 3
