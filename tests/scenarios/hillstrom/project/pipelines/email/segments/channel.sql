/*---
segment_set: channel
entity: customer
description: The channels a customer bought through in the past year.
owner: crm
---*/
SELECT customer_id, channel AS label FROM traits
