//! Contracts that change after rows were loaded: a table follows what it can, in one commit and with all of its rows. Anything else is
//! refused where it stands, before anything is read or written. The cells are those of `docs/definitions/contracts.md`.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use tranche_tests::{Ran, Sandbox};

const ORDERS: &str = "version: 1
table: orders
kind: event
entity: {customer: customer_id}
key: [order_id]
event_time: ordered_at
evolution: additive
columns:
  - {name: order_id, type: utf8}
  - {name: customer_id, type: utf8, nullable: false}
  - {name: payer_id, type: utf8}
  - {name: ordered_at, type: 'timestamp(us, UTC)'}
  - {name: shipped_at, type: 'timestamp(us, UTC)', nullable: false}
  - {name: amount, type: 'decimal(12,2)'}
";

const CUSTOMERS: &str = "version: 1
table: customers
kind: entity
entity: customer
key: [customer_id]
history: latest
columns:
  - {name: customer_id, type: utf8}
  - {name: city, type: utf8}
  - {name: email, type: utf8}
";

/// A shop of which two files were loaded, one for each table.
struct Shop(Sandbox);

impl Shop {
    fn new(orders: &str, customers: &str) -> Self {
        let shop = Self(Sandbox::new());
        let write = |path: &str, text: &str| shop.0.write(path, text);
        write("tranche.yaml", "version: 1\nlake: ./lake\n");
        write("schemas/orders.yaml", orders);
        write("schemas/customers.yaml", customers);
        write(
            "pipelines/shop/pipeline.yaml",
            "version: 1\npipeline: shop\nsteps:\n  - {id: load, ingest: all}\n",
        );
        for source in ["orders", "customers"] {
            let text = format!(
                "version: 1\nsource: {source}\ninto: {source}\nformat: ndjson\npath: data/{source}/*.ndjson\n"
            );
            write(&format!("pipelines/shop/sources/{source}.yaml"), &text);
        }
        write("data/customers/a.ndjson", r#"{"customer_id": "c1", "city": "Ulm", "email": "a@b.de"}"#);
        write("data/orders/a.ndjson", &(order(1, "2026-05-01", "1.00") + &order(2, "2026-05-02", "2.00")));
        let _ = shop.load("2026-06-01").expect_code(0);
        shop
    }

    fn load(&self, as_of: &str) -> Ran {
        self.0.run(&["run", "shop", "--as-of", as_of])
    }

    fn query(&self, sql: &str) -> Ran {
        self.0.run(&["--format", "csv", "sql", sql, "--as-of", "2027-01-01"])
    }

    /// The rows of a query, without its header.
    fn rows(&self, sql: &str) -> Vec<String> {
        self.query(sql).expect_code(0).stdout.lines().skip(1).map(str::to_owned).collect()
    }
}

fn order(number: u32, day: &str, amount: &str) -> String {
    format!(
        "{{\"order_id\": \"o{number}\", \"customer_id\": \"c1\", \"payer_id\": \"c2\", \"ordered_at\": \"{day}T10:00:00Z\", \
         \"shipped_at\": \"{day}T20:00:00Z\", \"amount\": {amount}, \"status\": \"paid\"}}\n"
    )
}

const ALL_ORDERS: &str = "SELECT order_id, CAST(amount AS VARCHAR) FROM orders ORDER BY order_id";

/// A change of a contract, text by text.
type Edits<'a> = &'a [(&'a str, &'a str)];

fn edited(text: &str, edits: Edits<'_>) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "no `{from}` in\n{text}");
        text.replacen(from, to, 1)
    })
}

/// After these edits nothing is loaded or read, with a message at this place; and after they are taken back everything goes on.
fn refused(table: &str, edits: Edits<'_>, place: &str, says: &[&str]) {
    let shop = Shop::new(ORDERS, CUSTOMERS);
    refused_in(&shop, (table, if table == "orders" { ORDERS } else { CUSTOMERS }), edits, place, says);
}

fn refused_in(shop: &Shop, (table, text): (&str, &str), edits: Edits<'_>, place: &str, says: &[&str]) {
    let path = format!("schemas/{table}.yaml");
    shop.0.write(&path, edited(text, edits));
    let _ = shop.0.run(&["check"]).expect_code(0);
    let place = format!("{path}:{place}");
    // A run says so whether or not there is something to load.
    for ran in [shop.load("2026-06-02"), shop.query(&format!("SELECT count(*) FROM {table}"))] {
        let ran = ran.expect_code(2);
        let text = ran.stdout + &ran.stderr;
        for part in says.iter().copied().chain([place.as_str(), "another name at `table:`"]) {
            assert!(text.contains(part), "{edits:?} lacks {part}:\n{text}");
        }
    }
    shop.0.write("data/orders/b.ndjson", order(2, "2026-05-09", "5.00"));
    let _ = shop.load("2026-06-03").expect_code(2);
    shop.0.write(&path, text);
    assert_eq!(shop.rows(ALL_ORDERS), ["o1,1.00", "o2,2.00"], "{edits:?}");
    let _ = shop.load("2026-06-04").expect_code(0);
    assert_eq!(shop.rows(ALL_ORDERS), ["o1,1.00", "o2,5.00"], "{edits:?}");
}

/// After these edits more is loaded, and `sql` gives these rows.
fn followed(table: &str, edits: Edits<'_>, sql: &str, rows: &[&str]) -> Shop {
    let shop = Shop::new(ORDERS, CUSTOMERS);
    let text = if table == "orders" { ORDERS } else { CUSTOMERS };
    shop.0.write(&format!("schemas/{table}.yaml"), edited(text, edits));
    assert_eq!(
        shop.rows(ALL_ORDERS),
        ["o1,1.00", "o2,2.00"],
        "{edits:?}: read before anything is loaded by it"
    );
    shop.0.write("data/orders/b.ndjson", order(2, "2026-05-09", "5.00") + &order(3, "2026-05-03", "3.00"));
    let ran = shop.load("2026-06-02");
    assert_eq!(ran.code, 0, "{edits:?}\n{}{}", ran.stdout, ran.stderr);
    assert_eq!(shop.rows(sql), rows, "{edits:?}");
    assert_eq!(shop.rows(ALL_ORDERS), ["o1,1.00", "o2,5.00", "o3,3.00"], "{edits:?}");
    shop
}

#[test]
fn kind_key_and_event_time_stay() {
    let of_events = [
        ("kind: event", "kind: entity"),
        ("{customer: customer_id}", "order"),
        ("event_time: ordered_at\n", ""),
    ];
    refused("orders", &of_events, "3:7", &["the rows of the table are events", "write `kind: event`"]);
    let of_entities = [
        ("kind: entity", "kind: event"),
        ("entity: customer\n", "entity: {customer: customer_id}\nevent_time: at\n"),
        ("history: latest\n", ""),
        (
            "  - {name: city, type: utf8}",
            "  - {name: at, type: 'timestamp(us, UTC)'}\n  - {name: city, type: utf8}",
        ),
    ];
    refused(
        "customers",
        &of_entities,
        "3:7",
        &["the rows of the table are entities", "write `kind: entity`"],
    );
    refused(
        "orders",
        &[("key: [order_id]", "key: [order_id, customer_id]")],
        "5:6",
        &["one for each `order_id`, not for each `customer_id, order_id`", "write `key: [order_id]`"],
    );
    refused(
        "orders",
        &[("event_time: ordered_at", "event_time: shipped_at")],
        "6:13",
        &["stored by the days of `ordered_at`, not `shipped_at`", "write `event_time: ordered_at`"],
    );
}

#[test]
fn entities_stay_and_may_be_more() {
    let named = "the table names entity `customer` by its column `customer_id`";
    refused("orders", &[("{customer: customer_id}", "{customer: payer_id}")], "4:20", &[named]);
    refused("orders", &[("{customer: customer_id}", "{payer: payer_id}")], "4:9", &[named]);
    refused(
        "customers",
        &[("entity: customer", "entity: client")],
        "4:9",
        &["of entity `customer`, not `client`"],
    );
    let more = [("{customer: customer_id}", "{customer: customer_id, payer: payer_id}")];
    let shop = followed("orders", &more, "SELECT count(*) FROM orders", &["3"]);
    let text = edited(ORDERS, &more);
    let back = [(", payer: payer_id}", "}")];
    shop.0.write("schemas/orders.yaml", edited(&text, &back));
    let ran = shop.load("2026-06-03").expect_code(2);
    assert!(ran.stderr.contains("the table names entity `payer` by its column `payer_id`"), "{}", ran.stderr);
}

#[test]
fn versions_neither_begin_nor_end() {
    refused(
        "customers",
        &[("history: latest", "history: full")],
        "6:10",
        &["the latest version of each row", "write `history: latest`"],
    );
    let full = edited(CUSTOMERS, &[("history: latest", "history: full")]);
    let shop = Shop::new(ORDERS, &full);
    refused_in(
        &shop,
        ("customers", &full),
        &[("history: full", "history: latest")],
        "6:10",
        &["every version of its rows", "write `history: full`"],
    );
    // Without a key that says so, the table is named.
    let shop = Shop::new(ORDERS, &full);
    refused_in(&shop, ("customers", &full), &[("history: full\n", "")], "2:8", &["write `history: full`"]);
}

#[test]
fn columns_stay_and_may_be_more() {
    refused(
        "orders",
        &[("  - {name: amount, type: 'decimal(12,2)'}\n", "")],
        "9:3",
        &["a column `amount`, which the contract lost", "write `- {name: amount, type: 'decimal(12,2)'}`"],
    );
    refused(
        "orders",
        &[("decimal(12,2)", "decimal(14,2)")],
        "14:12",
        &["column `amount` is stored as decimal(12,2), not decimal(14,2)", "write `type: decimal(12,2)`"],
    );
    let end = "'decimal(12,2)'}\n";
    let status = "'decimal(12,2)'}\n  - {name: status, type: utf8}\n";
    refused(
        "orders",
        &[(end, "'decimal(12,2)'}\n  - {name: status, type: utf8, nullable: false}\n")],
        "15:12",
        &["column `status` is new and must be nullable", "write `nullable: true`"],
    );
    refused(
        "orders",
        &[("additive", "frozen"), (end, status)],
        "15:12",
        &["column `status` is new, and the contract is frozen", "write `evolution: additive`"],
    );
    let sql = "SELECT order_id, status FROM orders ORDER BY order_id";
    followed("orders", &[(end, status)], sql, &["o1,", "o2,paid", "o3,paid"]);
}

#[test]
fn what_rows_do_not_depend_on_may_change() {
    let all = "SELECT count(*) FROM orders";
    for edits in [
        &[("evolution: additive", "evolution: frozen")][..],
        &[("name: payer_id, type: utf8", "name: payer_id, type: utf8, nullable: false")],
        &[("name: customer_id, type: utf8, nullable: false", "name: customer_id, type: utf8")],
        &[("'decimal(12,2)'", "'decimal(12,2)', check: amount > 0, doc: gross, pii: none")],
        &[("table: orders", "table: orders\ndescription: What was bought.\nfreshness: 26h")],
        &[
            ("  - {name: payer_id, type: utf8}\n", ""),
            ("columns:\n", "columns:\n  - {name: payer_id, type: utf8}\n"),
        ],
    ] {
        followed("orders", edits, all, &["3"]);
    }
    followed("customers", &[("history: latest", "history: latest\nuniverse: observed")], all, &["3"]);
    // What a check says holds for rows that are loaded from then on.
    let strict = [("'decimal(12,2)'", "'decimal(12,2)', check: amount > 4")];
    let shop = Shop::new(ORDERS, CUSTOMERS);
    shop.0.write("schemas/orders.yaml", edited(ORDERS, &strict));
    shop.0.write("data/orders/b.ndjson", order(4, "2026-05-09", "3.00"));
    let _ = shop.load("2026-06-02").expect_code(1);
    assert_eq!(shop.rows(ALL_ORDERS), ["o1,1.00", "o2,2.00"]);
}

#[test]
fn a_contract_that_changed_stops_a_run_that_loads_nothing() {
    let shop = Shop::new(ORDERS, CUSTOMERS);
    shop.0.write(
        "pipelines/other/pipeline.yaml",
        "version: 1\npipeline: other\nsteps:\n  - {id: segments, refresh: all}\n",
    );
    shop.0.write(
        "pipelines/other/segments/buyers.sql",
        "/*---\nsegment: buyers\nentity: customer\n---*/\nSELECT customer_id FROM orders\n",
    );
    let _ = shop.0.run(&["run", "other", "--as-of", "2026-06-01"]).expect_code(0);
    shop.0.amend("schemas/orders.yaml", "event_time: ordered_at", "event_time: shipped_at");
    let ran = shop.0.run(&["run", "other", "--as-of", "2026-06-02", "--full"]).expect_code(2);
    assert!(ran.stderr.contains("schemas/orders.yaml:6:13"), "{}", ran.stderr);
    let doctor = shop.0.run(&["doctor"]);
    let text = doctor.stdout + &doctor.stderr;
    assert!(text.contains("stored by the days of `ordered_at`"), "{text}");
}

#[test]
fn a_table_from_before_contracts_were_remembered_is_of_the_present_one() {
    let shop = Shop::new(ORDERS, CUSTOMERS);
    forget_marks(&shop);
    // Its rows show what they are.
    for (edits, says) in [
        (&[("history: latest", "history: full")][..], "the latest version of each row"),
        (&[("type: utf8}\n  - {name: email", "type: int64}\n  - {name: email")], "stored as utf8, not int64"),
    ] {
        shop.0.write("schemas/customers.yaml", edited(CUSTOMERS, edits));
        let ran = shop.load("2026-06-02").expect_code(2);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    // What they do not show is taken as it is, and remembered from the next load on.
    shop.0.write("schemas/customers.yaml", edited(CUSTOMERS, &[("  - {name: email, type: utf8}\n", "")]));
    shop.0.write("data/customers/b.ndjson", r#"{"customer_id": "c2", "city": "Bonn"}"#);
    let _ = shop.load("2026-06-02").expect_code(0);
    shop.0.write("schemas/customers.yaml", CUSTOMERS);
    let sql = "SELECT customer_id, city, email FROM customers ORDER BY customer_id";
    assert_eq!(shop.rows(sql), ["c1,Ulm,a@b.de", "c2,Bonn,"], "a column that was lost keeps its values");
    let _ = shop.load("2026-06-03").expect_code(0);
    shop.0.write("schemas/customers.yaml", edited(CUSTOMERS, &[("entity: customer", "entity: client")]));
    let _ = shop.load("2026-06-04").expect_code(2);
}

/// Takes what tables remember of their contracts out of their logs.
fn forget_marks(shop: &Shop) {
    for table in ["orders", "customers"] {
        let log = shop.0.path().join(format!("lake/tables/{table}/_delta_log"));
        for entry in std::fs::read_dir(log).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let kept: Vec<String> = text
                .lines()
                .filter(|line| !line.contains("\"appId\":\"contract\""))
                .map(tranche_tests::without_checksum)
                .collect();
            assert!(kept.len() < text.lines().count());
            std::fs::write(&path, kept.join("\n") + "\n").unwrap();
        }
    }
}
