/*---
segment: big_history
entity: customer
description: Customers who spent 500 dollars or more in the past year.
owner: crm
---*/
SELECT customer_id FROM customers WHERE history >= 500
