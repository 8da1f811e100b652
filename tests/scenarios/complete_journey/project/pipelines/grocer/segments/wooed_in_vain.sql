/*---
segment: wooed_in_vain
entity: household
description: Lapsed or cooling, and sent three campaigns or more.
owner: crm
tags: [campaign]
---*/
SELECT household_id
FROM traits
WHERE (in_segment('lifecycle/cooling') OR in_segment('lifecycle/lapsed'))
  AND campaigns_received >= 3
