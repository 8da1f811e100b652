/*---
segment: reachable_by_email
entity: customer
description: May be mailed, and has opened something in half a year.
owner: crm
tags: [engagement, email]
expect: {share: [0, 0.90]}
---*/
SELECT customer_id
FROM traits
WHERE email_consent AND opens_180d >= 1
