/*---
segment: two_statements
entity: customer
---*/
SELECT customer_id FROM traits WHERE newsletter;
SELECT customer_id FROM traits WHERE country = 'DE'
