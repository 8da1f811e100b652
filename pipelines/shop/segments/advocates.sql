/*---
segment: advocates
entity: customer
description: Recommends us and keeps buying. The people to ask for reviews.
owner: marketing
tags: [satisfaction, value]
---*/
SELECT customer_id
FROM traits
WHERE in_segment('nps/promoters') AND orders_90d >= 2 AND NOT in_segment('open_complaint')
