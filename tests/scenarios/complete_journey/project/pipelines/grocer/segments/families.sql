/*---
segment: families
entity: household
description: Households with children.
owner: crm
tags: [profile]
expect: {min_size: 288, share: [0.3, 0.4]}
---*/
SELECT household_id FROM traits WHERE kids_count IN ('1', '2', '3+')
