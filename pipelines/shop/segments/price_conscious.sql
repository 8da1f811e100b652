/*---
segment: price_conscious
entity: customer
description: Compares prices before buying, and says so.
owner: product
tags: [psychographic]
---*/
SELECT customer_id
FROM traits
WHERE price_importance >= 4
