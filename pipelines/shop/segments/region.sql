/*---
segment_set: region
entity: customer
description: The sales region of the billing address.
owner: marketing
tags: [geographic]
---*/
SELECT customer_id,
       CASE
           WHEN country IN ('DE', 'AT', 'CH') THEN 'dach'
           WHEN country IN ('NL', 'BE') THEN 'benelux'
           WHEN country = 'FR' THEN 'france'
           WHEN country IN ('IT', 'ES') THEN 'south'
           WHEN country IN ('SE', 'DK') THEN 'nordics'
           ELSE 'elsewhere'
       END AS label
FROM customers
