/*---
segment: high_income
entity: household
description: An income of 100,000 dollars or more.
owner: crm
tags: [profile]
---*/
SELECT household_id
FROM households
WHERE income IN ('100-124K', '125-149K', '150-174K', '175-199K', '200-249K', '250K+')
