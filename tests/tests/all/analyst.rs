//! The analyst's tools on a shop small enough to be counted by hand: preview, known answers, why, overlap, history, traits, buckets.
//!
//! Customers 1 to 4 have integers for keys. As of February, 1 spent 100 and 2 spent 30; until April, 3 spends 20 and 1 another 50.
//! Customer 4 never buys, and a customer who is not in the table, 99, spent 500.
use serde_json::{Value, json};
use tranche_tests::{Ran, Sandbox};

const FEBRUARY: &str = "2026-02-15T00:00:00Z";
const APRIL: &str = "2026-04-01T00:00:00Z";

struct Shop(Sandbox);

impl Shop {
    /// The project, not yet run.
    fn new() -> Self {
        let sandbox = Sandbox::scenario("small_shop", None);
        for (path, text) in FILES {
            sandbox.write(path, text);
        }
        Self(sandbox)
    }

    /// The project, refreshed in February and in April.
    fn refreshed() -> Self {
        let shop = Self::new();
        shop.refresh(FEBRUARY);
        shop.refresh(APRIL);
        shop
    }

    fn refresh(&self, as_of: &str) {
        for pipeline in ["load", "shop"] {
            let _ = self.0.run(&["run", pipeline, "--as-of", as_of]).expect_code(0);
        }
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.0.run(&[&["--format", "json"], arguments].concat()).expect_code(0).json()
    }

    fn refused(&self, arguments: &[&str], code: i32, part: &str) -> Ran {
        let ran = self.0.run(arguments).expect_code(code);
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
        ran
    }
}

/// The named members of an object.
fn some(value: &Value, names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| value[name].clone()).collect()
}

#[test]
fn known_answers_are_held_against_a_replay() {
    let shop = Shop::new();
    shop.refresh(APRIL);
    let ran = shop.0.run(&["--format", "json", "segment", "test"]).expect_code(1);
    let reports = ran.json();
    let shown: Vec<Vec<Value>> = reports
        .as_array()
        .unwrap()
        .iter()
        .map(|r| some(r, &["segment", "as_of", "line", "passed"]))
        .collect();
    assert_eq!(
        shown,
        [
            [json!("activity/buyer"), json!(FEBRUARY), json!(5), json!(true)],
            [json!("small"), json!(APRIL), json!(7), json!(true)],
            [json!("small"), json!("2026-02-05T00:00:00Z"), json!(8), json!(false)],
        ]
    );
    let failures = reports[2]["failures"].as_array().unwrap();
    let failed: Vec<_> =
        failures.iter().map(|f| some(f, &["key", "expected_member", "line", "column"])).collect();
    assert_eq!(
        failed,
        [[json!("2"), json!(true), json!(8), json!(35)], [json!("77"), json!(true), json!(8), json!(38)]]
    );
    assert!(
        ran.stderr.contains("pipelines/shop/segments/small.sql:8:35: `2` is not in `small`"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("there is no such customer"), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 of 3 tests failed"), "{}", ran.stderr);

    let ran = shop.0.run(&["--format", "csv", "segment", "test", "activity/buyer"]).expect_code(0);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    let _ = shop.refused(&["segment", "test", "smal"], 2, "did you mean `small`?");
}

#[test]
fn a_preview_publishes_nothing() {
    let shop = Shop::refreshed();
    let before = shop.json(&["segment", "list"]);
    let figures = ["size", "published", "entered", "exited", "unmatched"];

    let preview = shop.json(&["segment", "preview", "small"]);
    assert_eq!(
        some(&preview, &["as_of", "universe", "file"]),
        [json!(APRIL), json!(4), json!("pipelines/shop/segments/small.sql")]
    );
    assert_eq!(some(&preview["segments"][0], &figures), [json!(2), json!(2), json!(0), json!(0), json!(0)]);
    assert_eq!(preview["reads"], json!(["city", "customer_id", "revenue"]));
    let sample = json!({"customer_id": 2, "city": "Ulm", "revenue": 30.0, "orders": 1});
    assert_eq!(preview["sample"][0], sample, "personal data is left out");

    // A definition that is not in the project, in the place of the one that is.
    shop.0.write("drafts/smaller.sql", SMALL.replace("revenue >= 10", "revenue BETWEEN 25 AND 120"));
    let preview = shop.json(&["segment", "preview", "drafts/smaller.sql"]);
    assert_eq!(some(&preview["segments"][0], &figures), [json!(1), json!(2), json!(0), json!(1), json!(0)]);
    let preview = shop.json(&["segment", "preview", "drafts/smaller.sql", "--as-of", "2026-02-01"]);
    assert_eq!(
        some(&preview["segments"][0], &figures),
        [json!(0), json!(null), json!(null), json!(null), json!(0)]
    );

    // One that is new.
    shop.0.write(
        "drafts/seen.sql",
        "/*---\nsegment: seen\nentity: customer\n---*/\nSELECT customer_id FROM orders\n",
    );
    let preview = shop.json(&["segment", "preview", "drafts/seen.sql", "--limit", "2"]);
    assert_eq!(
        some(&preview["segments"][0], &figures),
        [json!(3), json!(null), json!(null), json!(null), json!(1)]
    );
    assert_eq!(preview["sample"].as_array().unwrap().len(), 2);

    // And one of several labels, of which one was there before.
    shop.0.write("drafts/activity.sql", ACTIVITY.replace("'buyer'", "'customer'"));
    let preview = shop.json(&["segment", "preview", "drafts/activity.sql"]);
    let labels: Vec<Vec<Value>> = preview["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| some(s, &["segment", "size", "published"]))
        .collect();
    assert_eq!(
        labels,
        [
            [json!("activity/customer"), json!(3), json!(null)],
            [json!("activity/none"), json!(1), json!(1)],
            [json!("activity/buyer"), json!(0), json!(3)],
        ]
    );
    assert_eq!(shop.json(&["segment", "list"]), before);

    shop.0.write(
        "drafts/wrong.sql",
        "/*---\nsegment: wrong\nentity: customer\n---*/\nSELECT customer_id FROM trait\n",
    );
    let _ = shop.refused(
        &["segment", "preview", "drafts/wrong.sql"],
        2,
        "drafts/wrong.sql:5:25: there is no table `trait`",
    );
    let _ = shop.refused(&["segment", "preview", "drafts/nothing.sql"], 2, "cannot read drafts/nothing.sql");
    let _ = shop.refused(&["segment", "preview", "bigg"], 2, "did you mean `big`?");
}

#[test]
fn why_shows_each_condition_and_its_value() {
    let shop = Shop::refreshed();
    let conditions = |why: &Value| -> Vec<(String, Value)> {
        let all = why["conditions"].as_array().unwrap();
        all.iter().map(|c| (c["condition"].as_str().unwrap().to_owned(), c["value"].clone())).collect()
    };

    let why = shop.json(&["segment", "why", "small", "2"]);
    assert_eq!(
        some(&why, &["as_of", "is_entity", "is_member", "taken_by"]),
        [json!(APRIL), json!(true), json!(true), json!(null)]
    );
    assert_eq!(why["values"], json!({"customer_id": 2, "city": "Ulm", "revenue": 30.0}));
    let expected = [
        ("revenue >= 10", true),
        ("(city = 'Ulm' OR city = 'Bonn')", true),
        ("NOT in_segment('activity/none')", true),
    ];
    assert_eq!(conditions(&why), expected.map(|(condition, value)| (condition.to_owned(), json!(value))));
    assert_eq!(why["memberships"], json!([{"segment": "small", "entered_at": FEBRUARY, "exited_at": null}]));

    // Another segment of the group comes first; a customer without orders; a key without a customer.
    let why = shop.json(&["segment", "why", "small", "1"]);
    assert_eq!(some(&why, &["is_member", "taken_by"]), [json!(false), json!("big")]);
    assert!(conditions(&why).iter().all(|(_, value)| value == &json!(true)), "{why}");
    let why = shop.json(&["segment", "why", "small", "4", "--as-of", FEBRUARY]);
    assert_eq!(
        conditions(&why).into_iter().map(|(_, value)| value).collect::<Vec<_>>(),
        [json!(null), json!(false), json!(false)]
    );
    for key in ["99", "nobody"] {
        let why = shop.json(&["segment", "why", "small", key]);
        assert_eq!(
            some(&why, &["is_entity", "is_member", "values", "conditions"]),
            [json!(false), json!(false), json!(null), json!(null)]
        );
    }

    // A definition of another form has no conditions to show, and a set has a label.
    let why = shop.json(&["segment", "why", "big", "1"]);
    assert_eq!(some(&why, &["is_member", "conditions"]), [json!(true), json!(null)]);
    let why = shop.json(&["segment", "why", "activity", "3"]);
    assert_eq!(
        some(&why, &["is_member", "label", "conditions"]),
        [json!(true), json!("activity/buyer"), json!([])]
    );
    let entered: Vec<_> =
        why["memberships"].as_array().unwrap().iter().map(|m| some(m, &["segment", "exited_at"])).collect();
    assert_eq!(entered, [[json!("activity/none"), json!(APRIL)], [json!("activity/buyer"), json!(null)]]);
    let ran = shop.0.run(&["segment", "why", "activity/none", "3"]).expect_code(0);
    assert!(ran.stdout.contains("customer `3` is not in `activity/none`"), "{}", ran.stdout);
    assert!(ran.stdout.contains("it is in `activity/buyer`"), "{}", ran.stdout);
}

#[test]
fn a_group_has_each_entity_once_by_priority() {
    let shop = Shop::refreshed();
    let members = |segment: &str, as_of: &str| -> Vec<i64> {
        let rows = shop.json(&["segment", "members", segment, "--as-of", as_of]);
        rows.as_array().unwrap().iter().map(|row| row["customer_id"].as_i64().unwrap()).collect()
    };
    for (segment, as_of, expected) in [
        ("big", FEBRUARY, vec![1]),
        ("small", FEBRUARY, vec![2]),
        ("big", APRIL, vec![1]),
        ("small", APRIL, vec![2, 3]),
    ] {
        assert_eq!(members(segment, as_of), expected, "{segment} as of {as_of}");
    }
    let pairs = shop.json(&["segment", "overlap", "big", "small"]);
    assert_eq!(pairs[0]["both"], json!(0));
}

#[test]
fn members_of_a_label_that_no_refresh_found_are_an_error() {
    let shop = Shop::refreshed();
    shop.0.amend("pipelines/shop/segments/activity.sql", "'none'", "'idle'");
    shop.0.amend("pipelines/shop/segments/activity.sql", "tests:", "expect: {not_empty: false}\ntests:");
    shop.0.amend("pipelines/shop/segments/small.sql", "activity/none", "activity/idle");
    shop.refresh("2026-05-01T00:00:00Z");
    let unknown = "there is no segment `activity/gone`; the labels of `activity` are buyer, idle, none";
    let _ = shop.refused(&["segment", "members", "activity/gone"], 2, unknown);
    // One that has no members any more, or not yet, is there all the same.
    assert_eq!(shop.json(&["segment", "members", "activity/none"]), json!([]));
    assert_eq!(shop.json(&["segment", "members", "activity/idle", "--as-of", APRIL]), json!([]));
    assert_eq!(shop.json(&["segment", "members", "activity/idle"]), json!([{"customer_id": 4}]));
}

#[test]
fn overlap_and_history_show_published_results() {
    let shop = Shop::refreshed();
    let overlap = |arguments: &[&str]| -> Vec<Vec<Value>> {
        let pairs = shop.json(&[&["segment", "overlap"], arguments].concat());
        pairs
            .as_array()
            .unwrap()
            .iter()
            .map(|p| some(p, &["a", "b", "size_a", "size_b", "both", "jaccard"]))
            .collect()
    };
    let found = overlap(&["small", "activity"]);
    assert_eq!(
        found,
        [
            vec![json!("small"), json!("activity/buyer"), json!(2), json!(3), json!(2), json!(2.0 / 3.0)],
            vec![json!("small"), json!("activity/none"), json!(2), json!(1), json!(0), json!(0.0)],
            vec![json!("activity/buyer"), json!("activity/none"), json!(3), json!(1), json!(0), json!(0.0)],
        ]
    );
    assert_eq!(overlap(&[]).len(), 6, "all pairs of four segments");
    assert_eq!(
        overlap(&["small", "activity/buyer", "--as-of", FEBRUARY])[0][2..5],
        [json!(1), json!(2), json!(1)]
    );
    let matrix = shop.0.run(&["segment", "overlap"]).expect_code(0).stdout;
    assert!(matrix.contains("2 (0.67)"), "{matrix}");
    let _ = shop.refused(&["segment", "overlap", "small"], 2, "name another");
    let _ = shop.refused(
        &["segment", "overlap", "small", "activity/buyers"],
        2,
        "did you mean `activity/buyer`?",
    );

    let history = shop.json(&["segment", "history", "small"]);
    let rows: Vec<Vec<Value>> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|r| some(r, &["as_of", "size", "entered", "exited", "unmatched"]))
        .collect();
    assert_eq!(
        rows,
        [
            [json!(FEBRUARY), json!(1), json!(1), json!(0), json!(0)],
            [json!(APRIL), json!(2), json!(1), json!(0), json!(0)]
        ]
    );
    let shown = shop.0.run(&["segment", "history", "activity"]).expect_code(0).stdout;
    assert!(
        shown.contains("activity/buyer  ▁█  2 -> 3") && shown.contains("activity/none   █▁  2 -> 1"),
        "{shown}"
    );
    let _ = shop.refused(&["segment", "history", "smll"], 2, "did you mean `small`?");
    let _ = Shop::new().refused(&["segment", "history", "small"], 1, "not refreshed yet");
}

#[test]
fn a_trait_shows_how_its_values_lie() {
    let shop = Shop::refreshed();
    let shown = shop.json(&["trait", "show", "revenue"]);
    assert_eq!(
        some(&shown, &["entity", "traits", "as_of"]),
        [json!("customer"), json!("spending"), json!(null)]
    );
    let values = &shown["values"];
    assert_eq!(
        some(values, &["entities", "nulls", "null_share", "distinct"]),
        [json!(4), json!(1), json!(0.25), json!(3)]
    );
    let quantiles: Vec<f64> =
        values["quantiles"].as_array().unwrap().iter().map(|q| q["value"].as_f64().unwrap()).collect();
    assert_eq!(quantiles, [20.0, 20.0, 20.0, 30.0, 150.0, 150.0, 150.0]);
    let shown = shop.json(&["trait", "show", "orders", "--as-of", "2026-01-01"]);
    assert_eq!(some(&shown["values"], &["nulls", "distinct"]), [json!(0), json!(1)]);
    assert_eq!(some(&shown, &["default", "as_of"]), [json!("0"), json!("2026-01-01T00:00:00Z")]);
    let _ = shop.refused(&["trait", "show", "revenu"], 2, "did you mean `revenue`?");
    assert_eq!(Shop::new().json(&["trait", "show", "revenue"])["values"], json!(null));
}

#[test]
fn buckets_make_a_control_group() {
    let shop = Shop::new();
    shop.0.write("pipelines/shop/segments/holdout.sql", HOLDOUT);
    let _ = shop.0.run(&["check"]).expect_code(0);
    shop.refresh(APRIL);
    // SHA-256 of `2026:<id>`, its first 53 bits as a fraction, by another program.
    let expected = json!([{"customer_id": 1}]);
    assert_eq!(shop.json(&["segment", "members", "holdout"]), expected);
    let rows =
        shop.json(&["sql", "SELECT bucket('a', 7) = bucket('a', '7') AS same, bucket('a', NULL) AS nobody"]);
    assert_eq!(rows, json!([{"same": true, "nobody": null}]));
    for arguments in ["'a', 1.5", "1, 'a'", "'a'"] {
        let query = format!("SELECT bucket({arguments})");
        let _ = shop.refused(&["sql", &query], 2, "write bucket('a name', key)");
    }
    let _ = shop.refused(&["sql", "SELECT random()"], 2, "bucket('a name', key)");
}

const FILES: [(&str, &str); 6] = [
    ("pipelines/shop/traits/spending.sql", SPENDING),
    ("pipelines/shop/segments/big.sql", BIG),
    ("pipelines/shop/segments/small.sql", SMALL),
    ("pipelines/shop/segments/activity.sql", ACTIVITY),
    ("data/customers.csv", "customer_id,name,city\n1,Anna,Bonn\n2,Björn,Ulm\n3,Chloé,Ulm\n4,Dora,Kiel\n"),
    ("data/orders/1.csv", ORDERS),
];

const ORDERS: &str = "order_id,customer_id,ordered_at,amount
o1,1,2026-01-10T10:00:00Z,100.00
o2,2,2026-02-10T10:00:00Z,30.00
o3,99,2026-02-11T10:00:00Z,500.00
o4,1,2026-03-10T10:00:00Z,50.00
o5,3,2026-03-20T10:00:00Z,20.00
";

const SPENDING: &str = "/*---
traits: spending
entity: customer
defaults: {orders: 0}
---*/
SELECT customer_id, sum(amount) AS revenue, count(*) AS orders FROM orders GROUP BY customer_id
";

const BIG: &str = "/*---
segment: big
entity: customer
group: size
priority: 1
---*/
SELECT customer_id FROM orders GROUP BY customer_id HAVING sum(amount) >= 100
";

const SMALL: &str = "/*---
segment: small
entity: customer
group: size
priority: 2
tests:
  - {as_of: 2026-04-01, members: [2, 3], not_members: [1, 4, 99]}
  - {as_of: 2026-02-05, members: [2, 77], not_members: [1]}
---*/
SELECT customer_id FROM traits
WHERE revenue >= 10 AND (city = 'Ulm' OR city = 'Bonn') AND NOT in_segment('activity/none')
";

const ACTIVITY: &str = "/*---
segment_set: activity
entity: customer
tests:
  - {as_of: 2026-02-15, label: buyer, members: [1, 2], not_members: [3]}
---*/
SELECT customer_id, CASE WHEN orders > 0 THEN 'buyer' ELSE 'none' END AS label FROM traits
";

const HOLDOUT: &str = "/*---
segment: holdout
entity: customer
description: A quarter of all customers, whom nothing is sent to.
---*/
SELECT customer_id FROM customers WHERE bucket('2026', customer_id) < 0.25
";
