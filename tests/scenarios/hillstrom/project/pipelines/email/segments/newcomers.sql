/*---
segment: newcomers
entity: customer
description: New customers in the past year.
owner: crm
---*/
SELECT customer_id FROM traits WHERE newbie
