/*---
segment: of_broken_contract
entity: customer
description: Without a mistake of its own. Its table has one, which is told once.
---*/
SELECT customer_id FROM visits WHERE page = 'home'
