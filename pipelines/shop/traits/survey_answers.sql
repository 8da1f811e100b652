/*---
traits: survey_answers
entity: customer
---*/
-- The latest answer counts. NULL for customers who never answered.
SELECT customer_id,
       max(recommendation)            AS recommendation,
       max(satisfaction)              AS satisfaction,
       max(price_importance)          AS price_importance,
       max(sustainability_importance) AS sustainability_importance,
       max(novelty_importance)        AS novelty_importance,
       max(convenience_importance)    AS convenience_importance
FROM (
    SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY answered_at DESC) AS newest
    FROM survey
) AS answers
WHERE newest = 1
GROUP BY customer_id
