/*---
segment: email_fatigued
entity: customer
description: Got four mails or more in half a year and opened none.
owner: crm
tags: [engagement, email]
---*/
SELECT customer_id
FROM traits
WHERE email_consent AND mails_180d >= 4 AND opens_180d = 0
