/*---
segment_set: country
entity: person
---*/
SELECT person_id, country AS label FROM people
