//! Wrong statements, and all that `check` says of each.

use super::{assert_plain, check, screen};
use crate::lab::{Lab, Raw};

/// What stands after the front matter of a segment.
const STATEMENTS: [&str; 43] = [
    // Names that stand for nothing: each is reported, once.
    "SELECT person_id\nFROM purchases\nWHERE amout > 3 AND bougth_at < as_of()",
    "SELECT person_id FROM purchases\nWHERE amout > 3 AND years(bought_at) = 2 AND person_id IN (SELECT person_id FROM peple)",
    "SELECT p.person_id FROM purchases p JOIN peple q ON p.person_id = q.person_id\nWHERE p.amuont > 3 AND q.anything = 1",
    "SELECT person_id FROM pepole WHERE country = 'DE' AND anything > 3",
    "SELECT x.person_id FROM people",
    "WITH big AS (SELECT person_id, amout FROM purchases) SELECT person_id FROM big WHERE amout > 3 AND other = 1",
    "SELECT person_id FROM people WHERE country = \"DE\"",
    "SELECT person_id FROM people WHERE in_segment('nobody') AND nam = 'x'",
    "SELECT person_id FROM people WHERE in_segment(nobody)",
    "SELECT person_id FROM shop.people",
    "SELECT person_id FROM purchases GROUP BY person_id HAVING averge(amount) > 3 AND summ(amount) > 9",
    "SELECT person_id FROM people ORDER BY born",
    "SELECT person_id FROM people JOIN purchases USING (person)",
    // Clocks.
    "SELECT person_id FROM purchases WHERE bought_at > now() AND random() < 0.5 AND amout > 1",
    "SELECT person_id FROM purchases WHERE bought_at > current_date - 3",
    // Not SQL.
    "SELECT person_id FROM people WHERE country = 'DE",
    "SELECT person_id FROM people WHERE (country = 'DE'",
    "SELECT person_id FROM WHERE country = 'DE'",
    "SELECT person_id people WHERE",
    "SELEC person_id FROM people",
    "SELECT person_id FROM people WHERE country == 'DE' AND",
    "SELECT person_id FROM people WHERE country = 'DE' /* open",
    "SELECT \"person_id FROM people",
    "INSERT INTO people VALUES ('x', 'DE')",
    "SELECT person_id FROM people; SELECT person_id FROM people",
    "",
    // Types.
    "SELECT person_id FROM purchases WHERE amount > 'much'",
    "SELECT person_id FROM purchases WHERE bought_at > 'yesterday'",
    "SELECT person_id FROM purchases WHERE bought_at > 5",
    "SELECT person_id FROM purchases WHERE bought_at + 5 > as_of()",
    "SELECT person_id FROM purchases WHERE amount",
    "SELECT person_id FROM people WHERE country + 1 > 2",
    "SELECT person_id FROM people WHERE NOT country",
    "SELECT person_id FROM people WHERE country LIKE 5",
    "SELECT person_id FROM people WHERE sum(country) > 2",
    "SELECT person_id FROM purchases WHERE date_part(bought_at) = 1",
    "SELECT person_id FROM purchases WHERE as_of() - bought_at < 30",
    "SELECT person_id FROM purchases WHERE amount ^ 2 > 9",
    "SELECT person_id FROM purchases WHERE bought_at > as_of() - INTERVAL '30 dais'",
    "SELECT person_id FROM people WHERE CASE WHEN country = 'DE' THEN 1 ELSE 'x' END = DATE '2026-02-30'",
    "SELECT person_id FROM people WHERE bucket('salt') < 0.5",
    // Groups and shapes.
    "SELECT person_id, amount FROM purchases GROUP BY person_id",
    "SELECT person_id FROM people UNION SELECT person_id, country FROM people",
];

#[test]
fn every_mistake_of_a_statement_is_reported_in_plain_words() {
    let lab = Lab::new(&Raw::default());
    for (place, statement) in STATEMENTS.iter().enumerate() {
        let name = format!("s{place:02}");
        let text = format!("/*---\nsegment: {name}\nentity: person\n---*/\n{statement}\n");
        lab.write(&format!("pipelines/shop/segments/{name}.sql"), &text);
    }
    let text = screen(&["check"], &lab.tranche(&["check"]).expect_code(2));
    for (place, statement) in STATEMENTS.iter().enumerate() {
        let file = format!("s{place:02}.sql:");
        assert!(text.contains(&file), "nothing is wrong with {statement}");
    }
    assert_plain(&text);
    check("statements", &text);
}
