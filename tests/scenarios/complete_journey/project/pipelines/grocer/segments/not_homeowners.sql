/*---
segment: not_homeowners
entity: household
description: Known not to own their home. Unknown is NULL, and not a member.
owner: crm
tags: [profile]
---*/
SELECT household_id FROM traits WHERE home_ownership <> 'Homeowner'
