/*---
segment: coupon_lovers
entity: household
description: Coupons took at least 3 % of what they paid in 180 days.
owner: crm
tags: [behavioural]
---*/
SELECT household_id
FROM baskets
WHERE bought_at >= as_of() - INTERVAL '180 days'
GROUP BY household_id
HAVING sum(coupon_disc) > 0 AND sum(coupon_disc) * 100 >= sum(sales_value) * 3
