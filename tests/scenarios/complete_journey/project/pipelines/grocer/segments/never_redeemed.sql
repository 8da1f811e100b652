/*---
segment: never_redeemed
entity: household
description: Never redeemed a coupon.
owner: crm
tags: [campaign]
---*/
SELECT household_id
FROM households
WHERE household_id NOT IN (SELECT household_id FROM redemptions)
