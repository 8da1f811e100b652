//! What fuses, what does not and why, and how many scans definitions share.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::Timestamp;
use tranche_project::{Problems, Project, SourceFile};
use tranche_sql::{Engine, EngineOptions};

use super::Program;
use crate::plan::Sharing;
use crate::{Definitions, Scope};

const SCHEMAS: [&str; 3] = [
    "version: 1
table: people
kind: entity
entity: person
key: [id]
columns: [{name: id, type: int64, nullable: false}, {name: country, type: utf8}, {name: age, type: int32}]
",
    "version: 1
table: orders
kind: event
entity: {person: buyer}
key: [order_id]
event_time: at
columns:
  - {name: order_id, type: int64, nullable: false}
  - {name: buyer, type: int64}
  - {name: at, type: 'timestamp(us, UTC)', nullable: false}
  - {name: amount, type: 'decimal(12,2)'}
  - {name: status, type: utf8}
",
    "version: 1
table: visits
kind: event
entity: {person: visitor}
key: [visit_id]
event_time: seen_at
columns:
  - {name: visit_id, type: int64, nullable: false}
  - {name: visitor, type: int64, nullable: false}
  - {name: seen_at, type: 'timestamp(us, UTC)', nullable: false}
",
];

/// The program of segments with these queries, `s0`, `s1` and so on.
async fn program(queries: &[String]) -> Program {
    let mut problems = Problems::default();
    let mut contracts = IndexMap::new();
    for yaml in SCHEMAS {
        let file = SourceFile::new("schemas/table.yaml", yaml);
        let spec: tranche_schema::ContractSpec = tranche_project::yaml::read(&file, &mut problems).unwrap();
        let contract = spec.validate(&mut |_, message| panic!("{message}")).unwrap();
        contracts.insert(contract.table.clone(), contract);
    }
    let files = queries.iter().enumerate().map(|(number, sql)| {
        let text = format!("/*---\nsegment: s{number}\nentity: person\n---*/\n{sql}\n");
        (format!("pipelines/shop/segments/s{number}.sql"), text)
    });
    let definitions = Definitions::read(&Project::from_files(files), "shop", &contracts, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    let session = engine.session(Timestamp::from_second(1_760_000_000).unwrap());
    Program::compile(&definitions, &Scope::everything(&definitions, "person"), &session, Sharing::Shared)
        .await
        .unwrap()
}

/// Measures by table of one query, or why it runs as it is.
async fn check(sql: &str, expected: Result<&[(&str, usize)], &str>) {
    let program = program(&[sql.to_owned()]).await;
    match (&program.segments["s0"], expected) {
        (super::Compiled::Fused { .. }, Ok(expected)) => {
            let found: Vec<(&str, usize)> =
                program.scans.iter().map(|(t, scan)| (t.as_str(), scan.measures.len())).collect();
            assert_eq!(found, expected, "{sql}");
        }
        (super::Compiled::Fallback(reason), Err(expected)) => {
            assert!(reason.contains(expected), "{sql}: {reason}")
        }
        (found, _) => panic!("{sql}: {found:?}"),
    }
}

#[tokio::test]
async fn aggregates_by_the_key_fuse_wherever_they_stand() {
    for (sql, expected) in [
        ("SELECT id FROM people WHERE country = 'DE'", &[][..]),
        ("SELECT buyer FROM orders GROUP BY buyer HAVING count(*) >= 3", &[("orders", 1)]),
        ("SELECT DISTINCT buyer FROM orders WHERE at >= as_of() - INTERVAL '7 days'", &[("orders", 1)]),
        (
            "SELECT id FROM people WHERE id IN (SELECT buyer FROM orders GROUP BY buyer HAVING sum(amount) > 10)",
            &[("orders", 3)],
        ),
        ("SELECT id FROM people WHERE id NOT IN (SELECT visitor FROM visits)", &[("visits", 1)]),
        (
            "SELECT id FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.buyer = p.id AND o.amount > 5)",
            &[("orders", 1)],
        ),
        (
            "SELECT id FROM people p WHERE (SELECT count(*) FROM visits v WHERE v.visitor = p.id) = 0",
            &[("visits", 1)],
        ),
        (
            "WITH v AS (SELECT visitor, max(seen_at) AS last FROM visits GROUP BY 1) SELECT id FROM people JOIN v ON id = visitor WHERE last < as_of() - INTERVAL '9 days'",
            &[("visits", 2)],
        ),
        (
            "SELECT p.id FROM people p JOIN orders o ON o.buyer = p.id WHERE p.age > 30 GROUP BY p.id HAVING avg(o.amount) > 9",
            &[("orders", 3)],
        ),
        (
            "SELECT p.id FROM people p LEFT JOIN visits v ON v.visitor = p.id WHERE v.visitor IS NULL",
            &[("visits", 1)],
        ),
        ("SELECT buyer FROM orders EXCEPT SELECT visitor FROM visits", &[("orders", 1), ("visits", 1)]),
        (
            "SELECT visitor FROM visits GROUP BY visitor HAVING approx_distinct(visit_id) >= 3",
            &[("visits", 2)],
        ),
    ] {
        check(sql, Ok(expected)).await;
    }
}

#[tokio::test]
async fn a_query_that_is_not_about_one_entity_says_why() {
    for (sql, reason) in [
        ("SELECT id FROM people ORDER BY age LIMIT 10", "LIMIT"),
        (
            "SELECT id FROM people WHERE age > (SELECT avg(age) FROM people)",
            "aggregates rows that are not events",
        ),
        ("SELECT buyer FROM orders GROUP BY buyer HAVING min(status) = 'a'", "`min` of a Utf8"),
        ("SELECT buyer FROM orders GROUP BY buyer, status", "groups by more than the entity"),
        (
            "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY age) AS n FROM people) WHERE n < 5",
            "window function",
        ),
        ("SELECT o.buyer FROM orders o JOIN visits v ON v.visitor = o.buyer", "joins events with events"),
        ("SELECT buyer FROM orders GROUP BY buyer HAVING median(amount) > 2", "`median`"),
    ] {
        check(sql, Err(reason)).await;
    }
}

#[tokio::test]
async fn a_thousand_definitions_share_one_scan_of_each_table() {
    let mut queries = Vec::new();
    for number in 0..1_000 {
        let days = [7, 14, 30, 90][number % 4];
        let least = number / 20;
        queries.push(match number % 3 {
            0 => format!("SELECT buyer FROM orders WHERE at >= as_of() - INTERVAL '{days} days' GROUP BY buyer HAVING count(*) > {least}"),
            1 => format!("SELECT id FROM people WHERE age > {least} AND id IN (SELECT buyer FROM orders WHERE at >= as_of() - INTERVAL '{days} days')"),
            _ => format!("SELECT id FROM people WHERE id NOT IN (SELECT visitor FROM visits WHERE seen_at >= as_of() - INTERVAL '{days} days')"),
        });
    }
    let program = program(&queries).await;
    assert!(program.is_shared());
    let measures: BTreeMap<&str, usize> =
        program.scans.iter().map(|(table, scan)| (table.as_str(), scan.measures.len())).collect();
    // A count for each window, however many definitions ask for it.
    assert_eq!(measures, BTreeMap::from([("orders", 4), ("visits", 4)]));
}
