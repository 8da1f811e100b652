//! What later files say about rows that are there: a correction counts once and for good, whatever becomes of the files.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

use tranche_tests::{Ran, Sandbox};

/// Orders and customers of NDJSON files; loads only.
struct Shop {
    sandbox: Sandbox,
}

const ORDERS: &str = "version: 1
table: orders
kind: event
entity: {customer: customer_id}
key: [order_id]
event_time: ordered_at
columns:
  - {name: order_id, type: utf8}
  - {name: customer_id, type: utf8}
  - {name: ordered_at, type: 'timestamp(us, UTC)'}
  - {name: status, type: utf8}
  - {name: until, type: 'timestamp(us, UTC)'}
";

/// Names that are near to those of columns that the platform makes for itself.
const CUSTOMERS: &str = "version: 1
table: customers
kind: entity
entity: customer
key: [customer_id]
history: full
columns:
  - {name: customer_id, type: utf8}
  - {name: city, type: utf8}
  - {name: new_city, type: utf8}
  - {name: incoming_customer_id, type: utf8}
  - {name: changed_key, type: utf8}
  - {name: same_key, type: utf8}
";

impl Shop {
    fn new() -> Self {
        let shop = Self { sandbox: Sandbox::new() };
        let write = |path: &str, text: &str| shop.sandbox.write(path, text);
        write("tranche.yaml", "version: 1\nlake: ./lake\n");
        write("schemas/orders.yaml", ORDERS);
        write("schemas/customers.yaml", CUSTOMERS);
        write(
            "pipelines/shop/pipeline.yaml",
            "version: 1\npipeline: shop\nsteps:\n  - {id: load, ingest: all}\n",
        );
        shop.source("orders", "{quarantine: {max_ratio: 0.2}}");
        shop.source("customers", "fail");
        write("data/customers/a.ndjson", "{\"customer_id\": \"c1\", \"city\": \"Ulm\"}\n");
        shop
    }

    /// Defines the source of a table.
    fn source(&self, table: &str, on_reject: &str) {
        let text = format!(
            "version: 1\nsource: {table}\ninto: {table}\nformat: ndjson\npath: data/{table}/*.ndjson\non_reject: {on_reject}\n"
        );
        self.sandbox.write(&format!("pipelines/shop/sources/{table}.yaml"), text);
    }

    /// Writes a file, which then was changed at this second.
    fn write(&self, path: &str, second: u64, text: &str) {
        self.sandbox.write(path, text);
        self.touch(path, second);
    }

    fn touch(&self, path: &str, second: u64) {
        let file = File::options().append(true).open(self.sandbox.path().join(path)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second)).unwrap();
    }

    fn load(&self, as_of: &str) -> Ran {
        self.sandbox.run(&["--format", "json", "run", "shop", "--as-of", as_of])
    }

    fn rows_at(&self, sql: &str, as_of: &str) -> Vec<String> {
        let ran = self.sandbox.run(&["--format", "csv", "sql", sql, "--as-of", as_of]).expect_code(0);
        ran.stdout.lines().skip(1).map(str::to_owned).collect()
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        self.rows_at(sql, "2027-01-01")
    }
}

fn order(id: &str, day: &str, status: &str) -> String {
    format!(
        "{{\"order_id\": \"{id}\", \"customer_id\": \"c1\", \"ordered_at\": \"{day}\", \"status\": \"{status}\"}}\n"
    )
}

const ALL_ORDERS: &str = "SELECT order_id, status FROM orders ORDER BY order_id";

#[test]
fn a_touched_file_brings_nothing_back_and_a_rewritten_one_is_the_newest() {
    let shop = Shop::new();
    let status = |status: &str| order("o1", "2026-05-01", status);
    let (a, b) = ("data/orders/a.ndjson", "data/orders/b.ndjson");
    shop.write(a, 1, &status("paid"));
    let _ = shop.load("2026-06-01").expect_code(0);
    shop.write(b, 2, &status("returned"));
    let _ = shop.load("2026-06-02").expect_code(0);
    // Touched, alone and beside a file that is new.
    shop.touch(a, 3);
    let _ = shop.load("2026-06-03").expect_code(0);
    assert_eq!(shop.rows(ALL_ORDERS), ["o1,returned"]);
    shop.write("data/orders/c.ndjson", 4, &order("o2", "2026-05-01", "paid"));
    let _ = shop.load("2026-06-04").expect_code(0);
    assert_eq!(shop.rows(ALL_ORDERS), ["o1,returned", "o2,paid"]);
    // Written again as it was.
    shop.write(a, 5, &status("paid"));
    shop.touch(b, 6);
    let _ = shop.load("2026-06-05").expect_code(0);
    assert_eq!(shop.rows(ALL_ORDERS), ["o1,returned", "o2,paid"]);
    // Each content that takes the place of another counts, the first one again too.
    for (second, state) in [(7, "lost"), (8, "paid"), (9, "lost"), (10, "paid"), (11, "sent")] {
        shop.write(a, second, &status(state));
        let _ = shop.load(&format!("2026-06-{second:02}")).expect_code(0);
        assert_eq!(shop.rows(ALL_ORDERS)[0], format!("o1,{state}"));
    }
    let loads = "SELECT file, count(*) FROM loads WHERE source = 'orders' GROUP BY file ORDER BY file";
    assert_eq!(shop.rows(loads), [format!("{a},6"), format!("{b},1"), "data/orders/c.ndjson,1".to_owned()]);
    assert_eq!(shop.load("2026-06-20").expect_code(0).json()["steps"][0]["rows_read"], 0);
    // That a file was touched is noted once, so that it is not read again each night.
    let log = shop.sandbox.path().join("lake/tables/orders/_delta_log");
    let commits = || {
        std::fs::read_dir(&log)
            .unwrap()
            .filter(|entry| {
                entry
                    .as_ref()
                    .is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
            })
            .count()
    };
    let before = commits();
    shop.touch(b, 20);
    for as_of in ["2026-06-21", "2026-06-22"] {
        let _ = shop.load(as_of).expect_code(0);
        assert_eq!(commits(), before + 1);
    }
}

/// What a run says of the rows that its files no longer have: removed, restored, missing.
fn of_lost_rows(ran: &Ran, source: usize) -> [u64; 3] {
    let report = &ran.json()["steps"][0]["detail"]["sources"][source];
    ["removed", "restored", "missing"].map(|count| report[count].as_u64().unwrap())
}

#[test]
fn a_corrected_file_takes_away_what_it_brought_where_its_source_says_so() {
    let shop = Shop::new();
    let a = "data/orders/a.ndjson";
    let day = |day: u64| format!("2026-05-{day:02}");
    let all = order("o1", &day(1), "paid") + &order("o2", &day(2), "paid") + &order("o3", &day(2), "paid");
    shop.write(a, 1, &all);
    let _ = shop.load("2026-06-01").expect_code(0);
    shop.write("data/orders/b.ndjson", 2, &order("o3", &day(3), "sent"));
    shop.write("data/customers/b.ndjson", 2, "{\"customer_id\": \"c2\", \"city\": \"Bonn\"}\n");
    let _ = shop.load("2026-06-02").expect_code(0);
    // Without it, what is lost stays, and is told.
    shop.write(a, 3, &order("o1", &day(1), "paid"));
    let ran = shop.load("2026-06-03").expect_code(0);
    assert_eq!(of_lost_rows(&ran, 1), [0, 0, 1]);
    assert!(
        ran.stderr
            .contains("orders: 1 key that files had before they were written again has no row in them now"),
        "{}",
        ran.stderr
    );
    assert_eq!(shop.rows(ALL_ORDERS), ["o1,paid", "o2,paid", "o3,sent"]);
    // With it, what is lost goes; what another file brought since stays, and what another one had comes back.
    for table in ["orders", "customers"] {
        let source = format!("pipelines/shop/sources/{table}.yaml");
        shop.sandbox.amend(&source, "on_reject", "replace: file\non_reject");
    }
    shop.write(
        a,
        4,
        &(order("o1", &day(1), "paid") + &order("o3", &day(9), "lost") + &order("o4", &day(1), "paid")),
    );
    let _ = shop.load("2026-06-04").expect_code(0);
    assert_eq!(shop.rows(ALL_ORDERS), ["o1,paid", "o2,paid", "o3,lost", "o4,paid"]);
    shop.write(a, 5, &order("o1", &day(1), "paid"));
    shop.write("data/customers/b.ndjson", 5, "");
    let ran = shop.load("2026-06-05").expect_code(0);
    assert_eq!((of_lost_rows(&ran, 0), of_lost_rows(&ran, 1)), ([1, 0, 0], [1, 1, 0]));
    assert_eq!(shop.rows(ALL_ORDERS), ["o1,paid", "o2,paid", "o3,sent"]);
    let customers = "SELECT customer_id FROM customers ORDER BY customer_id";
    assert_eq!(shop.rows_at(customers, "2026-06-04"), ["c1", "c2"], "history stays");
    assert_eq!(shop.rows_at(customers, "2026-06-05"), ["c1"]);
}

#[test]
fn a_row_that_moves_to_another_day_stands_there_alone() {
    let shop = Shop::new();
    let first = order("o1", "2026-05-01", "paid") + &order("o2", "2026-05-01", "paid");
    shop.write("data/orders/a.ndjson", 1, &first);
    let _ = shop.load("2026-06-01").expect_code(0);
    for (second, day) in [(2, "2026-05-20"), (3, "2025-12-31T23:59:59.999999Z"), (4, "2026-05-01T00:00:00Z")]
    {
        shop.write(&format!("data/orders/{second}.ndjson"), second, &order("o1", day, "moved"));
        let _ = shop.load(&format!("2026-06-0{second}")).expect_code(0);
        assert_eq!(shop.rows(ALL_ORDERS), ["o1,moved", "o2,paid"], "{day}");
        let on_the_day =
            format!("SELECT count(*) FROM orders WHERE order_id = 'o1' AND ordered_at = TIMESTAMP '{day}'");
        assert_eq!(shop.rows(&on_the_day), ["1"], "{day}");
    }
}

#[test]
fn rejects_are_recorded_once_for_what_was_read() {
    let shop = Shop::new();
    let noted = || shop.rows("SELECT file, count(*) FROM quarantine_orders GROUP BY file ORDER BY file");
    let wrong = |name: &str, count: usize| -> String {
        (0..count).map(|n| order(&format!("{name}{n}"), "nonsense", "paid")).collect()
    };
    for (second, name) in [(1, "a"), (2, "b"), (3, "c")] {
        shop.write(&format!("data/orders/{name}.ndjson"), second, &wrong(name, 4));
        let _ = shop.load(&format!("2026-06-0{second}")).expect_code(1);
    }
    shop.touch("data/orders/a.ndjson", 4);
    let _ = shop.load("2026-06-04").expect_code(1);
    let all = ["data/orders/a.ndjson,4", "data/orders/b.ndjson,4", "data/orders/c.ndjson,4"];
    assert_eq!(noted(), all);
    // What is read otherwise is rejected for other reasons.
    shop.sandbox.amend(
        "schemas/orders.yaml",
        "status, type: utf8",
        "status, type: utf8, check: \"status <> 'x'\"",
    );
    let _ = shop.load("2026-06-05").expect_code(1);
    assert_eq!(noted(), all.map(|line| line.replace(",4", ",8")));
    // Loaded in the end, without being recorded again.
    shop.source("orders", "{quarantine: {max_ratio: 1}}");
    let _ = shop.load("2026-06-06").expect_code(0);
    assert_eq!(noted(), all.map(|line| line.replace(",4", ",8")));
}

#[test]
fn reasons_add_up_to_the_rows_that_were_rejected_of_what_was_loaded() {
    let shop = Shop::new();
    let columns: String = (0..10).map(|n| format!("  - {{name: n{n}, type: int64}}\n")).collect();
    shop.sandbox.write("schemas/orders.yaml", ORDERS.to_owned() + &columns);
    shop.sandbox.write(
        "pipelines/shop/metrics/orders.yaml",
        "version: 1\nmetric: orders\ntype: mean\nfact: {table: orders, value: '1', aggregate: sum}\n",
    );
    shop.sandbox.write(
        "pipelines/shop/reports/monthly.yaml",
        "version: 1\nreport: monthly\nperiod: month\nsegments: [all]\nkpis:\n  - {metric: orders}\n",
    );
    let good: String = (0..60).map(|n| order(&format!("o{n}"), "2026-05-01", "paid")).collect();
    // Ten reasons, one in the first column, two in the second, and so on.
    let wrong: String = (0..10)
        .flat_map(|n| (0..=n).map(move |row| (n, row)))
        .map(|(n, row)| {
            order(&format!("x{n}-{row}"), "2026-05-01", "paid")
                .replace("}\n", &format!(", \"n{n}\": \"wrong\"}}\n"))
        })
        .collect();
    shop.write("data/orders/a.ndjson", 1, &(good.clone() + &wrong));
    let _ = shop.load("2026-06-01").expect_code(1);
    shop.write("data/orders/a.ndjson", 2, &good);
    let _ = shop.load("2026-06-02").expect_code(0);
    let quality = |as_of: &str| {
        let _ = shop.sandbox.run(&["report", "monthly", "--as-of", as_of]).expect_code(0);
        let folder = shop.sandbox.path().join("lake/reports/monthly");
        let text = std::fs::read_to_string(folder.join(format!("{as_of}T00-00-00Z/report.json"))).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let sources = document["data_quality"]["sources"].as_array().unwrap();
        let orders = sources.iter().find(|source| source["source"] == "orders").unwrap().clone();
        let reasons = orders["reasons"].as_array().unwrap().clone();
        let sum: u64 = reasons.iter().map(|reason| reason["count"].as_u64().unwrap()).sum();
        (orders["rejected"].as_u64().unwrap(), sum, reasons.len())
    };
    assert_eq!(quality("2026-06-02"), (0, 0, 0), "what failed was never loaded");
    shop.source("orders", "{quarantine: {max_ratio: 0.5}}");
    shop.write("data/orders/a.ndjson", 3, &(good + &wrong));
    let _ = shop.load("2026-06-03").expect_code(0);
    assert_eq!(quality("2026-06-03"), (55, 55, 9));
    assert_eq!(quality("2026-06-02"), (0, 0, 0), "of an earlier instant");
}

#[test]
fn versions_are_one_at_an_instant_in_whichever_order_runs_come() {
    let city =
        |city: &str| format!("{{\"customer_id\": \"c1\", \"city\": \"{city}\", \"new_city\": \"x\"}}\n");
    // Runs at days of June in this order, and the city at noon of each day from the first to the eighth.
    for (runs, expected) in [
        (&[(2, "A"), (6, "B")][..], "-AAAABBB"),
        (&[(6, "B"), (2, "A")], "-AAAABBB"),
        (&[(2, "A"), (6, "B"), (4, "C")], "-AACCBBB"),
        (&[(4, "C"), (6, "B"), (2, "A")], "-AACCBBB"),
        (&[(6, "B"), (4, "C"), (2, "A")], "-AACCBBB"),
        (&[(2, "A"), (6, "B"), (2, "C")], "-CCCCBBB"),
        (&[(2, "A"), (6, "B"), (6, "C"), (4, "B"), (4, "D")], "-AADDCCC"),
        (&[(2, "A"), (4, "A"), (6, "B"), (5, "A")], "-AAAABBB"),
    ] {
        let shop = Shop::new();
        shop.write("data/orders/a.ndjson", 1, &order("o1", "2026-05-01", "paid"));
        std::fs::remove_file(shop.sandbox.path().join("data/customers/a.ndjson")).unwrap();
        for (number, (day, name)) in (1..).zip(runs) {
            shop.write("data/customers/c.ndjson", number, &city(name));
            let other = format!("{{\"customer_id\": \"c2\", \"city\": \"{number}\"}}\n");
            shop.write(&format!("data/customers/{number}.ndjson"), number, &other);
            let _ = shop.load(&format!("2026-06-{day:02}")).expect_code(0);
        }
        let versions = "SELECT city FROM customers WHERE customer_id = 'c1'";
        let found: String = (1..=8)
            .map(|day| match &shop.rows_at(versions, &format!("2026-06-{day:02}T12:00"))[..] {
                [] => "-".to_owned(),
                [one] => one.clone(),
                many => panic!("{runs:?}: {many:?} on day {day}"),
            })
            .collect();
        assert_eq!(found, expected, "{runs:?}");
        for day in 1..=8 {
            let counts = shop.rows_at(
                "SELECT count(*) - count(DISTINCT customer_id) FROM customers",
                &format!("2026-06-{day:02}T12:00"),
            );
            assert_eq!(counts, ["0"], "{runs:?} on day {day}");
        }
    }
}

#[test]
fn dates_that_nanoseconds_do_not_reach_are_what_they_are() {
    let shop = Shop::new();
    let text = "version: 1\nsource: orders\ninto: orders\nformat: csv\npath: data/orders/*.csv\non_reject: {quarantine: {max_ratio: 1}}\n";
    for (number, (sql, row, expected)) in (1..).zip([
        ("to_timestamp(day)", "9999-12-31T00:00:00Z", "9999-12-31T00:00:00Z"),
        ("to_timestamp(day)", "1600-01-01", "1600-01-01T00:00:00Z"),
        ("to_timestamp(day)", "2026-05-01T10:00:00+02:00", "2026-05-01T08:00:00Z"),
        ("to_timestamp(day)", "9999-12-31T00:00:00.123456Z", "9999-12-31T00:00:00.123456Z"),
        ("to_timestamp(day, '%d.%m.%Y')", "31.12.9999", "9999-12-31T00:00:00Z"),
        ("to_timestamp(day, '%Y', '%d.%m.%Y %H:%M')", "31.12.2999 23:59", "2999-12-31T23:59:00Z"),
        ("strptime(day, '%d.%m.%Y')", "31.12.9999", "9999-12-31T00:00:00Z"),
        ("CAST(day AS TIMESTAMP)", "9999-12-31 23:59:59", "9999-12-31T23:59:59Z"),
        (
            "coalesce(to_timestamp(nullif(day, '')), to_timestamp('2000-01-01'))",
            "9999-12-31",
            "9999-12-31T00:00:00Z",
        ),
    ]) {
        let shop = &shop;
        let source = format!("{text}columns: {{until: \"{sql}\", status: \"'x'\"}}\n");
        shop.sandbox.write("pipelines/shop/sources/orders.yaml", source);
        let line = |id: &str, day: &str| format!("{id},c1,2026-05-01,{day}\n");
        let lines = [line(&format!("o{number}"), row), line(&format!("w{number}"), "31st of May")].concat();
        shop.write(
            &format!("data/orders/{number}.csv"),
            number,
            &format!("order_id,customer_id,ordered_at,day\n{lines}"),
        );
        let _ = shop.load(&format!("2026-06-{number:02}")).expect_code(0);
        let sql = format!("SELECT until FROM orders WHERE order_id = 'o{number}'");
        assert_eq!(shop.rows(&sql), [expected], "{row}");
    }
    let wrong = shop.rows("SELECT count(*) FROM quarantine_orders WHERE reason LIKE '%31st of May%'");
    assert_eq!(wrong, shop.rows("SELECT count(*) FROM quarantine_orders"));
    assert_eq!(wrong, ["9"]);
}
