/*---
segment: fuel_buyers
entity: household
description: Bought fuel for 200 dollars or more in a year that is over.
owner: crm
tags: [behavioural]
---*/
SELECT household_id
FROM department_spend
WHERE department = 'FUEL' AND sales_value >= 200
