/*---
segment: saxony
entity: customer
description: Lives in Leipzig or Dresden, where next-day delivery begins. Postal codes are text and keep their zeros.
owner: marketing
tags: [geographic]
---*/
SELECT customer_id
FROM customers
WHERE country = 'DE' AND (postal_code LIKE '010%' OR postal_code LIKE '041%')
