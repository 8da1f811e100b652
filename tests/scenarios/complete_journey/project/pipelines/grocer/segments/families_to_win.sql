/*---
segment: families_to_win
entity: household
description: Big spending families that no running campaign addresses, or that never redeemed.
owner: crm
tags: [campaign]
---*/
SELECT household_id
FROM traits
WHERE in_segment('families')
  AND in_segment('big_spenders')
  AND (NOT in_segment('in_running_campaign') OR in_segment('never_redeemed'))
