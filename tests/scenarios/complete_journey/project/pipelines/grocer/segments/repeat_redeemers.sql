/*---
segment: repeat_redeemers
entity: household
description: Redeemed in two campaigns or more.
owner: crm
tags: [campaign]
---*/
SELECT household_id FROM traits WHERE campaigns_redeemed >= 2
