/*---
segment: gone_quiet
entity: household
description: Bought before, and not for 15 to 60 whole days.
owner: crm
tags: [lifecycle]
---*/
SELECT household_id
FROM traits
WHERE baskets_total >= 5
  AND date_part('day', as_of() - last_basket_at) BETWEEN 15 AND 60
