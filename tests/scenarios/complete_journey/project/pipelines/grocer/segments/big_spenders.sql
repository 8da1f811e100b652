/*---
segment: big_spenders
entity: household
description: 1,000 dollars or more in 90 days.
owner: crm
tags: [behavioural]
expect: {min_size: 50, share: [0.05, 0.6]}
tests:
  - {as_of: 2017-08-01, members: [13, 18], not_members: [1, 7]}
---*/
SELECT household_id FROM traits WHERE spend_90d >= 1000
