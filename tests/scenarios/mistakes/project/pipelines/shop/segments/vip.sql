/*---
segment: vip
entity: customer
---*/
SELECT customer_id FROM traits WHERE revenue_365d >= 1000
