/*---
segment: open_complaint
entity: customer
description: Waits for an answer to a complaint.
owner: service
tags: [satisfaction]
expect: {share: [0, 0.10], not_empty: false}    # a day without an open complaint is a good day
---*/
SELECT customer_id
FROM traits
WHERE open_complaints >= 1
