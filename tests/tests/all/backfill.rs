//! Backfills: a past that is filled in at once is the past that daily runs would have left.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::fmt::Write;

use serde_json::{Value, json};
use tranche_tests::Sandbox;

/// What runs and backfills of the same days must leave alike.
const PUBLISHED: [&str; 3] = [
    "SELECT * FROM memberships ORDER BY segment, customer_id, entered_at",
    "SELECT as_of, pipeline, entity, segment, size, entered, exited, unmatched, null_keys, null_predicates \
     FROM segment_history ORDER BY as_of, segment",
    "SELECT * FROM traits ORDER BY customer_id",
];

struct Shop(Sandbox);

impl Shop {
    /// A shop whose data is loaded: customers 1 to 20, and orders of customers 1 to 22 for two months. Nothing is refreshed.
    fn new() -> Self {
        let sandbox = Sandbox::scenario("small_shop", None);
        sandbox.write("tranche.yaml", "version: 1\nlake: ./lake\ntimezone: Europe/Berlin\n");
        for (path, text) in DEFINITIONS {
            sandbox.write(path, text);
        }
        let mut customers = "customer_id,name,city\n".to_owned();
        for customer in 1..=20 {
            writeln!(customers, "{customer},,{}", ["Bonn", "Ulm", ""][customer % 3]).unwrap();
        }
        sandbox.write("data/customers.csv", customers);
        let mut orders = "order_id,customer_id,ordered_at,amount\n".to_owned();
        for order in 0..240_usize {
            let (customer, month, day) = (1 + order * order % 22, 1 + order / 120, 1 + order / 4 % 28);
            writeln!(
                orders,
                "o{order},{customer},2026-0{month}-{day:02}T{:02}:30:00Z,{}.50",
                order % 24,
                order % 37
            )
            .unwrap();
        }
        sandbox.write("data/orders/1.csv", orders);
        let shop = Self(sandbox);
        let _ = shop.0.run(&["run", "load", "--as-of", "2026-03-01"]).expect_code(0);
        shop
    }

    /// A refresh at each of the days of a backfill.
    fn refresh_daily(&self, days: impl Iterator<Item = u32>) {
        for day in days {
            // From 01:00 in Berlin: midnight in winter.
            let as_of = format!("2026-02-{day:02}T01:00");
            let _ = self.0.run(&["run", "shop", "--as-of", &as_of]).expect_code(0);
        }
    }

    fn published(&self) -> [Vec<String>; 3] {
        PUBLISHED.map(|query| {
            let ran = self.0.run(&["--format", "csv", "sql", query]).expect_code(0);
            ran.stdout.lines().map(str::to_owned).collect()
        })
    }

    fn backfill(&self, arguments: &[&str]) -> Value {
        self.0.run(&[&["--format", "json", "segment", "backfill"], arguments].concat()).expect_code(0).json()
    }

    fn refused(&self, arguments: &[&str], parts: &[&str]) {
        let ran = self.0.run(&[&["segment", "backfill"], arguments].concat()).expect_code(2);
        assert!(parts.iter().all(|part| ran.stderr.contains(part)), "{}", ran.stderr);
    }
}

#[test]
fn thirty_days_at_once_are_thirty_runs() {
    let (daily, at_once) = (Shop::new(), Shop::new());
    daily.refresh_daily(1..=28);
    for day in ["2026-03-01T01:00", "2026-03-02T01:00"] {
        let _ = daily.0.run(&["run", "shop", "--as-of", day]).expect_code(0);
    }
    let done =
        at_once.backfill(&["--pipeline", "shop", "--from", "2026-02-01T01:00", "--to", "2026-03-02T01:00"]);
    assert_eq!(done["instants"], json!(30));
    assert_eq!(done["pipeline"], json!("shop"));
    assert_eq!(done["entity"], json!("customer"));
    assert_eq!(
        (&done["from"], &done["to"]),
        (&json!("2026-02-01T00:00:00Z"), &json!("2026-03-02T00:00:00Z"))
    );
    let expected = daily.published();
    assert!(expected.iter().all(|rows| rows.len() > 20), "{expected:#?}");
    for (found, expected) in at_once.published().iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    // And what is built upon it is the same too.
    for shop in [&daily, &at_once] {
        let _ = shop.0.run(&["run", "shop", "--as-of", "2026-03-10"]).expect_code(0);
    }
    assert_eq!(at_once.published(), daily.published());
}

#[test]
fn a_segment_that_is_new_gets_its_past_and_history_is_rebuilt_when_asked() {
    let (late, early) = (Shop::new(), Shop::new());
    early.0.write("pipelines/shop/segments/recent.sql", RECENT);
    early.refresh_daily(1..=6);
    late.refresh_daily(1..=6);
    late.0.write("pipelines/shop/segments/recent.sql", RECENT);

    let span = ["--from", "2026-02-01T01:00", "--to", "2026-02-06T01:00"];
    let planned = late.backfill(&[&["recent", "--dry-run"], &span[..]].concat());
    assert_eq!(planned["segments"], json!([{"segment": "recent", "last_refresh": null, "replaced": 0}]));
    assert_eq!((&planned["instants"], &planned["refused"]), (&json!(6), &Value::Null));
    let done = late.backfill(&[&["recent"], &span[..]].concat());
    assert_eq!(done["segments"].as_array().unwrap().len(), 1);
    let (memberships, history) = (early.published()[0].clone(), early.published()[1].clone());
    assert_eq!(late.published()[0], memberships);
    assert_eq!(late.published()[1], history);

    late.refused(&[&["recent"], &span[..]].concat(), &["2026-02-06T00:00:00Z", "--rebuild"]);
    late.refused(
        &["recent", "--from", "2026-02-01T01:00", "--to", "2026-02-05T01:00", "--rebuild"],
        &["--to must reach 2026-02-06T00:00:00Z"],
    );
    let planned = late.backfill(&[&["activity", "--dry-run"], &span[..]].concat());
    assert_eq!(planned["segments"][0]["replaced"], json!(6));
    assert!(planned["refused"].as_str().unwrap().contains("--rebuild"));
    // What is rebuilt from the same definitions is what it was.
    let _ = late.backfill(&[&["--pipeline", "shop", "--rebuild"], &span[..]].concat());
    assert_eq!(late.published()[0], memberships);
    assert_eq!(late.published()[1], history);
    late.refused(
        &["unknown", "--from", "2026-02-01", "--to", "2026-02-02"],
        &["there is no segment `unknown`"],
    );
    late.refused(&["--from", "2026-02-01", "--to", "2026-02-02"], &["--pipeline"]);
    late.refused(
        &["recent", "--pipeline", "load", "--from", "2026-02-01", "--to", "2026-02-02"],
        &["one pipeline at a time"],
    );
}

const DEFINITIONS: [(&str, &str); 3] = [
    ("pipelines/shop/traits/spending.sql", SPENDING),
    ("pipelines/shop/segments/big.sql", BIG),
    ("pipelines/shop/segments/activity.sql", ACTIVITY),
];

const SPENDING: &str = "/*---
traits: spending
entity: customer
defaults: {orders_14d: 0}
---*/
SELECT customer_id, sum(amount) AS revenue,
       count(*) FILTER (WHERE ordered_at >= as_of() - INTERVAL '14 days') AS orders_14d
FROM orders GROUP BY customer_id
";

const BIG: &str = "/*---
segment: big
entity: customer
expect: {min_size: 1}
---*/
SELECT customer_id FROM orders WHERE ordered_at >= as_of() - INTERVAL '20 days'
GROUP BY customer_id HAVING sum(amount) >= 90
";

const ACTIVITY: &str = "/*---
segment_set: activity
entity: customer
---*/
SELECT customer_id, CASE WHEN orders_14d > 3 THEN 'often' WHEN orders_14d > 0 THEN 'some' ELSE 'none' END AS label FROM traits
";

const RECENT: &str = "/*---
segment: recent
entity: customer
---*/
SELECT customer_id FROM orders WHERE ordered_at >= as_of() - INTERVAL '3 days' AND NOT in_segment('activity/often')
";
