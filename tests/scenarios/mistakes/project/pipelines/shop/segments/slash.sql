/*---
segment: crm/loyal
entity: customer
---*/
SELECT customer_id FROM customers
