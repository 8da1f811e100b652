/*---
segment: indentation
entity: customer
 owner: crm
---*/
SELECT customer_id FROM traits WHERE newsletter
