//! What the engine gets wrong by itself, one small case each, so that it is noticed when it no longer does.
//!
//! Random definitions leave out what our session does not mend (`grammar/avoided.rs`); an entry there goes together with its case
//! here.

use std::collections::BTreeSet;
use std::sync::Mutex;

use jiff::Timestamp;

use super::compare::{Answers, Opinion, Opinions};
use super::data::World;
use super::duckdb::DuckDb;
use super::grammar::Definition;
use super::lake::Place;
use super::table::{Value, orders, people, visits};

/// A form, whether shared scans get it right where the engine does not, a segment that has it, and who is in it.
const MISTAKES: [(&str, bool, &str, &[&str]); 1] = [(
    "a sum of decimals beside count(DISTINCT ...)",
    true,
    "SELECT buyer FROM orders GROUP BY buyer HAVING sum(amount) <= 100 AND count(DISTINCT qty) < 5",
    &["1"],
)];

/// Forms that the engine gets wrong by itself and our session does not.
const MENDED: [(&str, &str, &[&str]); 5] = [
    (
        "NOT IN beside OR, with a null among the rows",
        "SELECT p.person_id FROM people AS p WHERE p.age = 99 OR p.person_id NOT IN (SELECT buyer FROM orders WHERE buyer IS NULL)",
        &[],
    ),
    (
        "two lists for a column that is null",
        "SELECT person_id FROM people WHERE age NOT IN (10, 11) OR age NOT IN (1, 2)",
        &["1"],
    ),
    (
        "a null in one of two lists",
        "SELECT person_id FROM people WHERE country NOT IN ('fr', NULL) AND country IN ('de')",
        &[],
    ),
    (
        "the day of an event, with statistics of files",
        "SELECT p.person_id FROM people AS p JOIN (SELECT buyer, count(*) AS n FROM orders \
         WHERE CAST(ordered_at AS DATE) >= CAST(as_of() AS DATE) - INTERVAL '90 days' GROUP BY buyer) AS o \
         ON o.buyer = p.person_id WHERE n > 0",
        &["1"],
    ),
    (
        "a condition that is null for all",
        "SELECT person_id FROM people WHERE country = 'de' AND age > NULL",
        &[],
    ),
];

#[tokio::test]
async fn the_engine_still_errs_on_the_constructs_left_out() {
    for (form, shared_is_right, sql, right) in MISTAKES {
        for (whose, found) in members(sql).await {
            let expected = whose == "DuckDB" || (whose == "shared" && shared_is_right);
            let is_right = found == Ok(set(right));
            assert_eq!(
                is_right, expected,
                "{form}, by {whose}: what is right now, random definitions may have again"
            );
        }
    }
}

#[tokio::test]
async fn constructs_that_were_fixed_are_right() {
    for (form, sql, right) in MENDED {
        for (whose, found) in members(sql).await {
            assert_eq!(found, Ok(set(right)), "{form}, by {whose}");
        }
    }
}

fn set(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// The members of a segment by each evaluator.
async fn members(sql: &str) -> Vec<(&'static str, Result<BTreeSet<String>, String>)> {
    let world = world();
    let place = Place::of(&world).await;
    let tables = place.tables(world.cached).await;
    let duckdb = DuckDb::start().map(Mutex::new);
    let opinions =
        Opinions::of(&world, &place, &tables, &[Definition::segment("s0", sql)], duckdb.as_ref()).await;
    let members = |answers: Answers| answers.get("s0").cloned().unwrap_or_default().members;
    opinions.0.into_iter().map(|Opinion { whose, found, .. }| (whose, found.map(members))).collect()
}

/// Two people, and an order of the first and one of an unknown person.
fn world() -> World {
    let as_of: Timestamp = "2024-06-28T00:00:00Z".parse().unwrap();
    let instant = |text: &str| Value::Instant(text.parse::<Timestamp>().unwrap().as_microsecond());
    let text = |text: &str| Value::Text(text.to_owned());
    let mut tables = vec![people(), orders("buyer"), visits("visitor")];
    let person = |key: i64, age: Value| {
        let (country, plan) = (text("de"), text("free"));
        vec![
            Value::Integer(key),
            country,
            age,
            plan,
            Value::Decimal(0),
            Value::Day(19_000),
            Value::Truth(false),
        ]
    };
    tables[0].rows = vec![person(1, Value::Integer(5)), person(2, Value::Null)];
    let order = |key: i64, buyer: Value, at: &str| {
        let (status, note) = (text("paid"), text(""));
        vec![
            Value::Integer(key),
            buyer,
            instant(at),
            Value::Decimal(100),
            Value::Integer(1),
            status,
            note,
            Value::Float(0.25),
        ]
    };
    tables[1].rows = vec![
        order(78, Value::Integer(1), "2024-06-27T23:59:59.999999Z"),
        order(87, Value::Null, "2024-04-17T00:11:17.270290Z"),
    ];
    World { as_of, tables, observed: false, cached: false, threads: 1 }
}
