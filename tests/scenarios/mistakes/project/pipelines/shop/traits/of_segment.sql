/*---
traits: of_segment
entity: customer
---*/
SELECT customer_id, in_segment('vip') AS is_vip
FROM customers
