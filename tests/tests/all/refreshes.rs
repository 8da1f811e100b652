//! What a refresh reads: no more than what changed, in the data or in the definitions.

use std::fmt::Write;

use serde_json::Value;
use tranche_tests::Sandbox;

/// Events of each of the days, one of each of the customers.
const CUSTOMERS: usize = 20;
const DAYS: usize = 40;
/// The last day and the next.
const TODAY: &str = "2026-02-10";
const TOMORROW: &str = "2026-02-11";

/// A shop with an order of each customer on each day from the first of January on, refreshed on the last day.
fn shop() -> Sandbox {
    let sandbox = Sandbox::scenario("small_shop", None);
    define(&sandbox, 30, 10);
    let mut customers = "customer_id,name,city\n".to_owned();
    (1..=CUSTOMERS).for_each(|customer| writeln!(customers, "{customer},,").expect("text grows"));
    sandbox.write("data/customers.csv", customers);
    (1..=DAYS).for_each(|day| orders(&sandbox, day));
    run(&sandbox, TODAY);
    sandbox
}

/// Loads new files, and refreshes.
fn run(sandbox: &Sandbox, as_of: &str) {
    for pipeline in ["load", "shop"] {
        let _ = sandbox.run(&["run", pipeline, "--as-of", as_of]).expect_code(0);
    }
}

fn orders(sandbox: &Sandbox, day: usize) {
    let (month, of_month) = if day <= 31 { (1, day) } else { (2, day - 31) };
    let mut text = "order_id,customer_id,ordered_at,amount\n".to_owned();
    for customer in 1..=CUSTOMERS {
        let at = format!("2026-{month:02}-{of_month:02}T{:02}:00:00Z", customer % 24);
        writeln!(text, "{day}-{customer},{customer},{at},1").expect("text grows");
    }
    sandbox.write(&format!("data/orders/{day:02}.csv"), text);
}

/// A segment of who ordered so often in so many days.
fn define(sandbox: &Sandbox, days: usize, least: usize) {
    let header = "/*---\nsegment: frequent\nentity: customer\n---*/\n";
    let query = format!(
        "{header}SELECT customer_id FROM orders WHERE ordered_at >= as_of() - INTERVAL '{days} days' \
         GROUP BY customer_id HAVING count(*) >= {least}\n"
    );
    sandbox.write("pipelines/shop/segments/frequent.sql", query);
}

/// The events that a refresh would read, and whether each aggregate of the definition is computed from saved state.
fn explained(sandbox: &Sandbox, as_of: &str) -> (u64, Vec<String>) {
    let arguments = ["--format", "json", "segment", "explain", "--as-of", as_of];
    let document = sandbox.run(&arguments).expect_code(0).json();
    let explanation = document.get(0).unwrap_or(&document);
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let scans = list(&explanation["scans"]);
    let orders = scans.iter().find(|scan| scan["table"] == "orders").expect("a scan of the orders");
    let definitions = list(&explanation["definitions"]);
    let frequent =
        definitions.iter().find(|definition| definition["name"] == "frequent").expect("the segment");
    let modes = list(&frequent["aggregates"])
        .into_iter()
        .map(|aggregate| aggregate["mode"].as_str().unwrap_or("").to_owned());
    (orders["rows"].as_u64().expect("a number"), modes.collect())
}

/// The rows that a refresh reads, and the members that it finds.
fn refreshed(sandbox: &Sandbox, as_of: &str) -> (u64, usize) {
    let run = sandbox.run(&["--format", "json", "run", "shop", "--as-of", as_of]).expect_code(0).json();
    let rows = run["steps"][0]["rows_read"].as_u64().expect("a number");
    let members =
        sandbox.run(&["--format", "csv", "segment", "members", "frequent", "--as-of", as_of]).expect_code(0);
    (rows, members.stdout.lines().count() - 1)
}

#[test]
fn a_changed_constant_reads_no_more_than_its_definition_needs() {
    let shop = shop();
    let incremental = vec!["incremental".to_owned()];
    let customers = CUSTOMERS as u64;
    // Another threshold over the same events: none of them is read.
    define(&shop, 30, 31);
    assert_eq!(explained(&shop, TODAY), (0, incremental.clone()));
    assert_eq!(refreshed(&shop, TODAY), (customers, 0));
    // Another window: the days that are in one of the two.
    define(&shop, 25, 25);
    assert_eq!(explained(&shop, TODAY), (5 * customers, incremental.clone()));
    assert_eq!(refreshed(&shop, TODAY), (customers + 5 * customers, CUSTOMERS));
    // The next day: what enters and what leaves.
    orders(&shop, DAYS + 1);
    let _ = shop.run(&["run", "load", "--as-of", TOMORROW]).expect_code(0);
    assert_eq!(explained(&shop, TOMORROW), (2 * customers, incremental));
    assert_eq!(refreshed(&shop, TOMORROW), (customers + 2 * customers, CUSTOMERS));
}

#[test]
fn state_that_another_version_of_the_engine_saved_is_computed_again() {
    let shop = shop();
    assert_eq!(explained(&shop, TODAY), (0, vec!["incremental".to_owned()]));
    let manifest = shop.path().join("lake/_state/segments/shop/customer/orders/manifest.json");
    let text = std::fs::read_to_string(&manifest).expect("state is saved");
    let mut saved: Value = serde_json::from_str(&text).expect("JSON");
    saved["body"]["engine"] = "1.2.3".into();
    // Its checksum would tell who changed it.
    let _ = saved.as_object_mut().expect("an object").remove("blake3");
    shop.write("lake/_state/segments/shop/customer/orders/manifest.json", saved.to_string());
    let all = 30 * CUSTOMERS as u64;
    assert_eq!(explained(&shop, TODAY), (all, vec!["full".to_owned()]));
    let document =
        shop.run(&["--format", "json", "segment", "explain", "--as-of", TODAY]).expect_code(0).stdout;
    assert!(document.contains("the state was saved by version 1.2.3 of the query engine"), "{document}");
    assert_eq!(refreshed(&shop, TODAY), (CUSTOMERS as u64 + all, CUSTOMERS));
    // That saved it again.
    assert_eq!(explained(&shop, TODAY), (0, vec!["incremental".to_owned()]));
}

#[test]
fn a_wide_table_that_is_its_entity_table_is_copied_once_for_each_version_of_it() {
    let shop = shop();
    let log = shop.path().join("lake/traits/customer/_delta_log");
    let versions = || std::fs::read_dir(&log).map_or(0, Iterator::count);
    assert_eq!(versions(), 1);
    run(&shop, TOMORROW);
    assert_eq!(versions(), 1, "nothing changed");
    shop.write("data/customers.csv", "customer_id,name,city\n1,,\n2,,\n77,,\n");
    run(&shop, "2026-02-12");
    assert_eq!(versions(), 2);
    shop.write("pipelines/shop/traits/orders.sql", TRAITS);
    run(&shop, "2026-02-13");
    run(&shop, "2026-02-14");
    assert_eq!(versions(), 4, "a trait may change every day");
    let rows = shop.run(&[
        "--format",
        "json",
        "sql",
        "SELECT customer_id, ever FROM traits WHERE customer_id IN (1, 77)",
    ]);
    let rows = rows.expect_code(0).json();
    assert_eq!(rows.as_array().map(Vec::len), Some(2), "{rows}");
}

const TRAITS: &str = "/*---
traits: orders
entity: customer
---*/
SELECT customer_id, count(*) AS ever FROM orders GROUP BY customer_id
";
