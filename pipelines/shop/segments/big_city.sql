/*---
segment: big_city
entity: customer
description: Lives in one of the six largest cities that we deliver to.
owner: marketing
tags: [geographic]
expect: {min_size: 10, share: [0.15, 0.50], max_turnover: 0.5}
---*/
SELECT customer_id
FROM customers
WHERE city IN ('Berlin', 'Hamburg', 'München', 'Wien', 'Paris', 'Madrid')
