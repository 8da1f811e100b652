/*---
segment_set: nps
entity: customer
description: Promoters answer 9 or 10 to the question whether they would recommend us, passives 7 or 8, detractors 0 to 6.
owner: product
tags: [satisfaction]
---*/
SELECT customer_id,
       CASE
           WHEN recommendation >= 9 THEN 'promoters'
           WHEN recommendation >= 7 THEN 'passives'
           WHEN recommendation >= 0 THEN 'detractors'
           ELSE 'no_answer'
       END AS label
FROM traits
