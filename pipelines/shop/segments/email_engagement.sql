/*---
segment_set: email_engagement
entity: customer
description: What becomes of the mail that a customer was sent in half a year.
owner: crm
tags: [engagement, email]
---*/
SELECT customer_id,
       CASE
           WHEN mails_180d = 0 THEN 'not_mailed'
           WHEN clicks_180d >= 1 THEN 'clicking'
           WHEN opens_180d >= 1 THEN 'opening'
           ELSE 'silent'
       END AS label
FROM traits
