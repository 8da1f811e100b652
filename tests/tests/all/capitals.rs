//! A project all of whose names have capitals: what needs double quotes works with them, and is told where they are missing.

use std::fmt::Write as _;

use serde_json::Value;
use tranche_tests::Sandbox;

/// People, orders and exposures, with every kind of definition.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    for (path, text) in FILES {
        sandbox.write(path, text);
    }
    let (mut people, mut orders, mut seen) = (
        "PersonId,Country,Years\n".to_owned(),
        "OrderId,Who,orderTS,Price,Kind\n".to_owned(),
        "CustomerId,Arm,seenTS\n".to_owned(),
    );
    for i in 0..40 {
        let _ = writeln!(people, "P{i},{},{}", if i % 2 == 1 { "DE" } else { "AT" }, 20 + i);
        let _ = writeln!(seen, "P{i},{},2026-09-01T10:00:00Z", if i % 2 == 1 { "A" } else { "B" });
    }
    for i in 0..80 {
        let _ = writeln!(
            orders,
            "O{i},P{},2026-09-0{}T10:00:00Z,{i}.5,{}",
            i % 40,
            i % 5 + 2,
            if i % 3 == 0 { "b" } else { "a" }
        );
    }
    sandbox.write("data/people.csv", people);
    sandbox.write("data/orders.csv", orders);
    sandbox.write("data/seen.csv", seen);
    sandbox
}

const FILES: [(&str, &str); 18] = [
    ("tranche.yaml", "version: 1\nlake: ./lake\ntimezone: UTC\n"),
    (
        "schemas/People.yaml",
        "version: 1\ntable: People\nkind: entity\nentity: Person\nkey: [PersonId]\ncolumns:\n  - {name: PersonId, type: utf8}\n  - {name: Country, type: utf8, check: '\"Country\" <> ''XX'''}\n  - {name: Age, type: int32}\n",
    ),
    (
        "schemas/Orders.yaml",
        "version: 1\ntable: Orders\nkind: event\nentity: {Person: CustomerId}\nkey: [OrderId]\nevent_time: orderTS\ncolumns:\n  - {name: OrderId, type: utf8}\n  - {name: CustomerId, type: utf8, nullable: false}\n  - {name: orderTS, type: 'timestamp(us, UTC)'}\n  - {name: Amount, type: 'decimal(12,2)', check: '\"Amount\" >= 0'}\n  - {name: Kind, type: utf8}\n",
    ),
    (
        "schemas/Seen.yaml",
        "version: 1\ntable: Seen\nkind: event\nentity: {Person: CustomerId}\nkey: [CustomerId, Arm, seenTS]\nevent_time: seenTS\ncolumns:\n  - {name: CustomerId, type: utf8}\n  - {name: Arm, type: utf8}\n  - {name: seenTS, type: 'timestamp(us, UTC)'}\n",
    ),
    (
        "pipelines/Shop/sources/People.yaml",
        "version: 1\nsource: People\ninto: People\nformat: csv\npath: data/people.csv\ncolumns: {Age: '\"Years\" + 0'}\n",
    ),
    (
        "pipelines/Shop/sources/Orders.yaml",
        "version: 1\nsource: Orders\ninto: Orders\nformat: csv\npath: data/orders.csv\ntypes: {Price: 'decimal(12,2)'}\ncolumns: {Amount: '\"Price\" * 2', CustomerId: '\"Who\"'}\n",
    ),
    (
        "pipelines/Shop/sources/Seen.yaml",
        "version: 1\nsource: Seen\ninto: Seen\nformat: csv\npath: data/seen.csv\n",
    ),
    (
        "pipelines/Shop/traits/Spend.sql",
        "/*---\ntraits: Spend\nentity: Person\ndefaults: {Total: 0}\n---*/\nSELECT \"CustomerId\", sum(\"Amount\") AS \"Total\" FROM \"Orders\"\nWHERE \"orderTS\" >= as_of() - INTERVAL '30 days' GROUP BY \"CustomerId\"\n",
    ),
    (
        "pipelines/Shop/segments/Big.sql",
        "/*---\nsegment: Big\nentity: Person\ntests:\n  - {as_of: 2026-09-10, members: [P39], not_members: [P0]}\n---*/\nSELECT \"PersonId\" FROM traits WHERE \"Total\" > 150\n",
    ),
    (
        "pipelines/Shop/segments/BigDe.sql",
        "/*---\nsegment: BigDe\nentity: Person\n---*/\nSELECT \"PersonId\" FROM \"People\" WHERE in_segment('Big') AND \"Country\" = 'DE'\n",
    ),
    (
        "pipelines/Shop/segments/NotBig.sql",
        "/*---\nsegment: NotBig\nentity: Person\n---*/\nSELECT \"PersonId\" FROM traits WHERE NOT in_segment('Big')\n",
    ),
    (
        "pipelines/Shop/segments/Bought.sql",
        "/*---\nsegment: Bought\nentity: Person\n---*/\nSELECT \"CustomerId\" FROM \"Orders\" WHERE in_segment('Land/DE', \"CustomerId\") AND \"Kind\" = 'a'\n",
    ),
    (
        "pipelines/Shop/segments/Land.sql",
        "/*---\nsegment_set: Land\nentity: Person\n---*/\nSELECT \"PersonId\", \"Country\" AS label FROM \"People\"\n",
    ),
    (
        "pipelines/Shop/metrics/Revenue.yaml",
        "version: 1\nmetric: Revenue\ntype: mean\nfact: {table: Orders, value: '\"Amount\" * 1.0', where: '\"Kind\" = ''a''', aggregate: sum}\n",
    ),
    (
        "pipelines/Shop/metrics/Buyers.yaml",
        "version: 1\nmetric: Buyers\ntype: proportion\nfact: {table: Orders, where: '\"Amount\" > 10'}\n",
    ),
    (
        "pipelines/Shop/experiments/Test.yaml",
        "version: 1\nexperiment: Test\nentity: Person\nexposure: {table: Seen, variant: Arm}\nvariants: {A: 0.5, B: 0.5}\ncontrol: A\nperiod: {from: 2026-09-01, to: 2026-09-08}\nmetrics: {goal: [Revenue], secondary: [Buyers]}\nsegments: [Land/DE]\n",
    ),
    (
        "pipelines/Shop/reports/Weekly.yaml",
        "version: 1\nreport: Weekly\nperiod: month\ncompare: previous\nsegments: [all, Big, Land]\nkpis: [{metric: Revenue}]\nsections: [scorecard, trends]\n",
    ),
    (
        "pipelines/Shop/pipeline.yaml",
        "version: 1\npipeline: Shop\nsteps:\n  - {id: load, ingest: [People, Orders, Seen]}\n  - {id: seg, refresh: all, needs: [load]}\n  - {id: measured, measure: all, needs: [seg]}\n  - {id: rep, report: [Weekly], needs: [seg]}\n",
    ),
];

fn lines(sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let ran = sandbox.run(&[&["--format", "csv"], arguments].concat()).expect_code(0);
    ran.stdout.lines().skip(1).map(str::to_owned).collect()
}

fn sizes(sandbox: &Sandbox) -> Vec<String> {
    let listed: Value = sandbox.run(&["--format", "json", "segment", "list"]).expect_code(0).json();
    let rows = listed.as_array().cloned().unwrap_or_default();
    rows.iter()
        .map(|row| format!("{} {}", row["segment"].as_str().unwrap_or_default(), row["size"]))
        .collect()
}

#[test]
fn names_with_capitals_work_from_the_raw_file_to_the_report() {
    let sandbox = project();
    let _ = sandbox.run(&["check"]).expect_code(0);
    let _ = sandbox.run(&["run", "Shop", "--as-of", "2026-09-10"]).expect_code(0);
    let found = sizes(&sandbox);
    for expected in SIZES {
        assert!(found.contains(&(*expected).to_owned()), "{expected}: {found:?}");
    }
    let _ = sandbox.run(&["segment", "test"]).expect_code(0);
    let query = "SELECT \"PersonId\", \"Total\" FROM traits WHERE \"PersonId\" = 'P39'";
    assert_eq!(lines(&sandbox, &["sql", query, "--as-of", "2026-09-10"]), ["P39,238.0"]);
    let query = "SELECT count(*) FROM \"Orders\" WHERE \"orderTS\" < as_of()";
    assert_eq!(lines(&sandbox, &["sql", query, "--as-of", "2026-09-10"]), ["80"]);
    let members = lines(&sandbox, &["segment", "members", "BigDe"]);
    assert_eq!(
        (members.len(), members.iter().any(|line| line.starts_with("P39"))),
        (11, true),
        "{members:?}"
    );
    for arguments in [
        &["segment", "why", "BigDe", "P39", "--as-of", "2026-09-10"][..],
        &["segment", "preview", "BigDe", "--as-of", "2026-09-10"],
        &["segment", "explain", "BigDe"],
        &["segment", "overlap", "Big", "BigDe"],
        &["segment", "history", "BigDe"],
        &["trait", "show", "Total", "--as-of", "2026-09-10"],
    ] {
        let ran = sandbox.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    }
    let shown: Value = sandbox.run(&["--format", "json", "experiment", "show", "Test"]).expect_code(0).json();
    let estimates = shown["estimates"].as_array().map_or(0, Vec::len);
    assert!(estimates >= 4, "{shown}");
}

/// Each segment and its size.
const SIZES: &[&str] = &["Big 22", "BigDe 11", "NotBig 18", "Bought 20"];

#[test]
fn a_name_without_its_quotes_is_told_at_its_place() {
    for (path, from, to, place, help) in [
        (
            "schemas/Orders.yaml",
            "'\"Amount\" >= 0'",
            "\"\\\"Kind\\\" <> 'x' AND Amount >= 0\"",
            "11:71",
            "write \"Amount\"",
        ),
        (
            "pipelines/Shop/metrics/Revenue.yaml",
            "'\"Amount\" * 1.0'",
            "Amount * 1.0",
            "4:30",
            "write \"Amount\"",
        ),
        (
            "pipelines/Shop/metrics/Buyers.yaml",
            "'\"Amount\" > 10'",
            "Amount > 10",
            "4:30",
            "write \"Amount\"",
        ),
        ("pipelines/Shop/traits/Spend.sql", "sum(\"Amount\")", "sum(Amount)", "6:26", "write \"Amount\""),
        (
            "pipelines/Shop/segments/NotBig.sql",
            "SELECT \"PersonId\"",
            "SELECT PersonId",
            "5:8",
            "write \"PersonId\"",
        ),
        ("pipelines/Shop/segments/BigDe.sql", "\"People\"", "People", "5:24", "write \"People\""),
        (
            "pipelines/Shop/segments/BigDe.sql",
            "\"Country\"",
            "'country' <> '' AND Country",
            "5:81",
            "write \"Country\"",
        ),
        (
            "pipelines/Shop/segments/Bought.sql",
            "\"CustomerId\")",
            "CustomerId)",
            "5:63",
            "write \"CustomerId\"",
        ),
        ("pipelines/Shop/sources/Orders.yaml", "'\"Price\" * 2'", "Price * 2", "7:19", "write \"Price\""),
        (
            "pipelines/Shop/segments/Land.sql",
            "\"PersonId\",",
            "\"PersonId\" AS PersonId,",
            "5:8",
            "write `AS \"PersonId\"`",
        ),
    ] {
        let sandbox = project();
        sandbox.amend(path, from, to);
        let ran = sandbox.run(&["check"]).expect_code(2);
        assert!(
            ran.stderr.contains(&format!("{path}:{place}: ")) && ran.stderr.contains(help),
            "{path}: {}",
            ran.stderr
        );
    }
    let sandbox = project();
    let ran = sandbox.run(&["sql", "SELECT PersonId FROM \"People\""]).expect_code(2);
    assert!(
        ran.stderr.contains("query:1:8: ") && ran.stderr.contains("write \"PersonId\""),
        "{}",
        ran.stderr
    );
    let ran = sandbox.run(&["sql", "SELECT 1 FROM People"]).expect_code(2);
    assert!(ran.stderr.contains("query:1:15: ") && ran.stderr.contains("write \"People\""), "{}", ran.stderr);
}
