/*---
segment: novelty_seekers
entity: customer
description: Likes to be the first to try new things, and buys in several categories.
owner: product
tags: [psychographic, behavioural]
---*/
SELECT customer_id
FROM traits
WHERE novelty_importance >= 4 AND categories_365d >= 2
