//! Measuring every night: saved state changes which facts are read, and nothing else.

use std::fmt::Write;

use serde_json::Value;
use tranche_tests::Sandbox;

/// Who is exposed each night of the first ones, and buys on each day from then on.
const UNITS: usize = 12;
const EXPOSED_NIGHTS: usize = 4;
const NIGHTS: usize = 7;

/// A shop with two experiments, of which one looks back.
fn shop() -> Sandbox {
    let sandbox = Sandbox::scenario("lab", None);
    for table in ["people", "exposures", "purchases"] {
        sandbox.amend(&format!("schemas/{table}.yaml"), "person_id, type: utf8", "person_id, type: int64");
    }
    for nightly in ["exposures", "purchases"] {
        sandbox.amend(&format!("pipelines/shop/sources/{nightly}.yaml"), ".csv", "/*.csv");
    }
    sandbox.amend("pipelines/shop/metrics/revenue.yaml", "direction: increase", "cap: {quantile: 0.99}");
    for (metric, definition) in METRICS {
        let text = format!("version: 1\nmetric: {metric}\n{definition}\n");
        sandbox.write(&format!("pipelines/shop/metrics/{metric}.yaml"), text);
    }
    let mut people = "person_id,country\n".to_owned();
    (1..=UNITS * EXPOSED_NIGHTS + 1).for_each(|unit| {
        writeln!(people, "{unit},{}", ["DE", "AT"][unit % 2]).expect("text grows");
    });
    sandbox.write("data/people.csv", people);
    experiment(&sandbox, "plain", "");
    experiment(
        &sandbox,
        "adjusted",
        "statistics: {alpha: 0.05, cuped: {lookback: 2 days, covariates: [revenue]}}\n",
    );
    sandbox
}

fn experiment(sandbox: &Sandbox, name: &str, keys: &str) {
    let text = format!(
        "version: 1\nexperiment: {name}\nentity: person\nexposure: {{table: exposures, variant: arm}}\n\
         variants: {{a: 0.5, b: 0.5}}\ncontrol: a\nperiod: {{from: 2026-09-01, to: 2026-09-08}}\nconversion_window: 3 days\n\
         metrics: {{goal: [revenue, orders], secondary: [basket]}}\nsegments: [country/*]\n{keys}"
    );
    sandbox.write(&format!("pipelines/shop/experiments/{name}.yaml"), text);
}

/// The files of a day: who was exposed on it, and what everyone bought who was exposed before or will be.
fn bring(sandbox: &Sandbox, day: usize) {
    let mut exposures = "person_id,arm,seen_at\n".to_owned();
    for unit in (day - 1) * UNITS + 1..=(day * UNITS).min(EXPOSED_NIGHTS * UNITS) {
        let arm = ["a", "b"][unit / 2 % 2];
        writeln!(exposures, "{unit},{arm},2026-09-{day:02}T{:02}:00:00Z", unit % 24).expect("text grows");
    }
    let mut purchases = "purchase_id,person_id,bought_at,amount\n".to_owned();
    for unit in 1..=EXPOSED_NIGHTS * UNITS {
        let (hour, amount) = ((unit * 7 + day) % 24, (unit * 31 + day * 17) % 90);
        writeln!(purchases, "{day}-{unit},{unit},2026-09-{day:02}T{hour:02}:30:00Z,{amount}.25")
            .expect("text grows");
    }
    match day {
        // Late purchases and a corrected one.
        5 => {
            purchases += "late-1,3,2026-09-02T23:59:59Z,500\nlate-2,20,2026-09-04T00:00:00Z,70.10\n4-7,7,2026-09-04T11:30:00Z,999.99\n"
        }
        // A late exposure of a new unit, and one that was before another.
        6 => exposures += "49,b,2026-09-02T08:00:00Z\n30,a,2026-09-01T08:00:00Z\n",
        // A unit saw the other variant, too.
        7 => exposures += "5,a,2026-09-05T08:00:00Z\n5,b,2026-09-05T09:00:00Z\n",
        _ => {}
    }
    sandbox.write(&format!("data/exposures/{day}.csv"), exposures);
    sandbox.write(&format!("data/purchases/{day}.csv"), purchases);
}

/// Runs a night; returns how the purchases were read.
fn night(sandbox: &Sandbox, day: usize) -> Value {
    let as_of = format!("2026-09-{:02}", day + 1);
    let run = sandbox.run(&["--format", "json", "run", "shop", "--as-of", &as_of]).expect_code(0).json();
    let facts = run["steps"][1]["detail"]["facts"].as_array().cloned().unwrap_or_default();
    facts
        .into_iter()
        .find(|read| read["table"] == "purchases")
        .unwrap_or_else(|| panic!("purchases were not read: {run}"))
}

/// The rows that were stored, sorted.
fn stored(sandbox: &Sandbox) -> [Vec<String>; 2] {
    ["estimates", "estimate_series"].map(|table| {
        let query = format!("SELECT * FROM {table}");
        let ran = sandbox.run(&["--format", "csv", "sql", &query, "--as-of", "2026-10-01"]).expect_code(0);
        let mut lines: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    })
}

#[test]
fn saved_state_changes_only_the_rows_that_are_read() {
    let (incremental, forgetful) = (shop(), shop());
    let mut read = Vec::new();
    for day in 1..=NIGHTS {
        for sandbox in [&incremental, &forgetful] {
            bring(sandbox, day);
        }
        let since = night(&incremental, day);
        // It may be deleted at any time.
        let _ = std::fs::remove_dir_all(forgetful.path().join("lake/_state"));
        let all = night(&forgetful, day);
        assert_eq!(
            (&since["incremental"], &all["incremental"]),
            (&Value::Bool(day > 1), &Value::Bool(false)),
            "{since} {all}"
        );
        assert_eq!(all["full_because"][0], "no state is saved");
        assert_eq!(since["full_because"].as_array().map(Vec::len), Some(usize::from(day == 1)), "{since}");
        read.push((
            since["rows_read"].as_u64().expect("a number"),
            all["rows_read"].as_u64().expect("a number"),
        ));
        assert_eq!(stored(&incremental), stored(&forgetful), "night {day}");
    }
    let expected = [
        (48, 48),
        // New units need the two days before: these are all at first, and then not the first.
        (96, 96),
        (144, 144),
        (144, 192),
        // No unit is new. The two days that changed are read as they were and as they are, and the new one.
        (242, 242),
        // Late exposures need the days since.
        (290, 290),
        // What happened before is known.
        (48, 338),
    ];
    assert_eq!(read, expected);
    // The same night again has nothing to read.
    assert_eq!(night(&incremental, NIGHTS)["rows_read"], 0);
    assert_eq!(stored(&incremental), stored(&forgetful), "the same night again");
    // All facts are read where that is asked for.
    let full = incremental
        .run(&["--format", "json", "run", "shop", "--as-of", "2026-09-08", "--full"])
        .expect_code(0)
        .json();
    let facts = &full["steps"][1]["detail"]["facts"][0];
    assert_eq!(
        (&facts["incremental"], &facts["full_because"][0]),
        (&Value::Bool(false), &Value::from("it was requested"))
    );
    assert_eq!(stored(&incremental), stored(&forgetful), "the same night in full");
}

/// A name that is said twice is one experiment.
#[test]
fn an_experiment_that_is_new_is_stored_beside_others_that_are_replaced() {
    let shop = shop();
    bring(&shop, 1);
    night(&shop, 1);
    let rows = || {
        let counted = "SELECT experiment, (SELECT count(*) FROM estimate_series AS s WHERE s.experiment = e.experiment) AS points, \
                       count(*) AS rows FROM estimates AS e GROUP BY experiment ORDER BY experiment";
        shop.run(&["--format", "csv", "sql", counted, "--as-of", "2026-10-01"]).expect_code(0).stdout
    };
    let before = rows();
    experiment(&shop, "unlike", "");
    let twice = "measure: [unlike, plain, adjusted, plain]";
    shop.amend("pipelines/shop/pipeline.yaml", "measure: all", twice);
    night(&shop, 1);
    let plain = before.lines().find(|line| line.starts_with("plain,")).expect("its rows");
    assert_eq!(rows(), format!("{before}{}\n", plain.replacen("plain", "unlike", 1)));
}

const METRICS: [(&str, &str); 3] = [
    ("orders", "type: count\nfact: {table: purchases}"),
    ("spent", "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}"),
    ("basket", "type: ratio\nnumerator: spent\ndenominator: orders"),
];
