/*---
segment: buyers
entity: household
description: Everyone who ever bought. Households without demographics are unmatched.
owner: crm
tags: [behavioural]
---*/
SELECT household_id FROM baskets
