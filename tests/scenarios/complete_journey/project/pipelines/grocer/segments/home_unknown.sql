/*---
segment: home_unknown
entity: household
description: Nothing is known about their home.
owner: crm
tags: [profile]
---*/
SELECT household_id FROM traits WHERE home_ownership IS NULL
