//! Tables of a small project, on terminals of 80, 120 and 200 columns.

use super::{assert_plain, check, screen};
use crate::lab::{Lab, Raw};

const WIDTHS: [u16; 3] = [80, 120, 200];

/// Forty people a day for ten days; b buys a little more, in Austria more so.
fn shop() -> Lab {
    let mut raw = Raw::default();
    for n in 0..400 {
        let (arm, country, day) = (["a", "b"][n % 2], ["DE", "AT"][n / 2 % 2], 1 + n / 40);
        raw.people.push(format!("p{n},{country}"));
        raw.exposures.push(format!("p{n},{arm},2026-09-{day:02}T08:00:00Z"));
        let spent = 10 + n * 37 % 11 + n % 2 * (1 + n / 2 % 2);
        raw.purchases.push(format!("o{n},p{n},2026-09-{day:02}T09:00:00Z,{spent}"));
    }
    let lab = Lab::new(&raw);
    lab.define(
        "winback_mail",
        "hypothesis: A mail after thirty days without an order brings customers back, and they spend more than without it\n\
         conversion_window: 1 day\nsegments: [country/*]\nstatistics: {adjust: holm}\ndecision: {}\n\
         metrics: {goal: [revenue], secondary: [buyers], guardrail: [{metric: costs, margin: 40%}]}",
    );
    lab.write(
        "pipelines/shop/traits/spending.sql",
        "/*---\ntraits: spending\nentity: person\ndefaults: {spent: 0, orders: 0}\n---*/\n\
         SELECT person_id, sum(amount) AS spent, count(*) AS orders,\n  max(bought_at) AS last_order_at\n\
         FROM purchases GROUP BY person_id\n",
    );
    lab.write(
        "pipelines/shop/segments/generous.sql",
        "/*---\nsegment: generous\nentity: person\ndescription: Who spent more than 15.\n---*/\n\
         SELECT person_id FROM traits WHERE spent > 15\n",
    );
    lab.write(
        "pipelines/shop/pipeline.yaml",
        "version: 1\npipeline: shop\nsteps:\n  - {id: load, ingest: [people, exposures, purchases]}\n  \
         - {id: groups, refresh: all, needs: [load]}\n  - {id: tests, measure: all, needs: [groups]}\n",
    );
    lab.measure("2026-09-10");
    lab.measure("2026-09-20");
    lab
}

fn at_every_width(lab: &Lab, name: &str, arguments: &[&str]) {
    let mut text = String::new();
    for width in WIDTHS {
        let ran = lab.at_width(width, arguments);
        let (longest, limit) =
            (ran.stdout.lines().map(|line| line.chars().count()).max(), usize::from(width));
        assert!(longest.is_none_or(|longest| longest <= limit), "wider than {width}:\n{}", ran.stdout);
        text.push_str(&format!("{width} columns\n{}", screen(arguments, &ran)));
    }
    // Types of traits are the engine's.
    if !name.starts_with("trait") {
        assert_plain(&text);
    }
    check(name, &text);
}

#[test]
fn tables_fit_the_terminal() {
    let shop = shop();
    for (name, arguments) in [
        ("segment_list", &["segment", "list"][..]),
        ("segment_history", &["segment", "history", "country"]),
        ("segment_overlap", &["segment", "overlap"]),
        ("segment_why", &["segment", "why", "generous", "p7"]),
        ("segment_preview", &["segment", "preview", "generous", "--limit", "3"]),
        ("segment_explain", &["segment", "explain", "--as-of", "2026-09-21"]),
        ("trait_list", &["trait", "list"]),
        ("trait_show", &["trait", "show", "spent"]),
        ("experiment_list", &["experiment", "list"]),
        ("experiment_show", &["experiment", "show", "winback_mail"]),
        ("experiment_power", &["experiment", "power", "winback_mail", "--as-of", "2026-09-08"]),
        ("sql", &["sql", "SELECT * FROM segment_history ORDER BY as_of, segment", "--as-of", "2026-09-21"]),
    ] {
        at_every_width(&shop, name, arguments);
    }

    for arguments in [&["segment", "explain"][..], &["segment", "explain", "--format", "json"]] {
        assert_plain(&screen(arguments, &shop.at_width(80, arguments)));
    }

    let show = ["experiment", "show", "winback_mail"];
    let narrow = shop.at_width(80, &show).expect_code(0).stdout;
    let (decision, goals) = (narrow.find("decision: "), narrow.find("\ngoals\n"));
    assert!(decision.is_some() && decision < goals, "the decision leads:\n{narrow}");
    let end = narrow.find("\nsecondary").unwrap_or(narrow.len());
    let lines = narrow.get(..end).unwrap_or_default().lines().count();
    assert!(lines <= 24, "decision, checks and goals take {lines} lines:\n{narrow}");

    let mut text = String::new();
    for arguments in [
        &["segment", "list", "--wide"][..],
        &["segment", "list", "--columns", "size,segment"],
        &["segment", "list", "--columns", "size,segment", "--format", "csv"],
        &["segment", "list", "--columns", "size,segment", "--format", "markdown"],
        &["segment", "list", "--columns", "segment,sizes"],
        &["experiment", "show", "winback_mail", "--columns", "metric,variant,relative_ci"],
        &[
            "experiment",
            "show",
            "winback_mail",
            "--format",
            "csv",
            "--columns",
            "metric,segment,variant,n,conclusion",
        ],
        &[
            "experiment",
            "show",
            "winback_mail",
            "--format",
            "markdown",
            "--columns",
            "metric,segment,relative,p",
        ],
        &["runs", "--columns", "run_id,pipeline,as_of,status"],
    ] {
        text.push_str(&screen(arguments, &shop.at_width(60, arguments)));
    }
    check("columns", &text);
}

#[test]
fn numbers_for_programs_have_every_digit_and_columns_a_name_each() {
    let shop = shop();
    let csv = shop.tranche(&["--format", "csv", "experiment", "show", "winback_mail"]).expect_code(0).stdout;
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    for (place, name) in header.iter().enumerate() {
        assert_eq!(*name, name.trim(), "{header:?}");
        assert!(!header[..place].contains(name), "`{name}` stands twice: {header:?}");
    }
    let first: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let shown = shop.shown("winback_mail");
    let estimate = &shown["estimates"][0];
    for (column, pointer) in [
        ("mean", "/mean"),
        ("absolute", "/absolute/effect"),
        ("ci_low", "/absolute/ci/0"),
        ("relative_ci_high", "/relative/ci/1"),
        ("p", "/absolute/p"),
    ] {
        let place = header.iter().position(|name| *name == column);
        let written = place.and_then(|place| first.get(place)).and_then(|text| text.parse::<f64>().ok());
        assert_eq!(written, estimate.pointer(pointer).and_then(serde_json::Value::as_f64), "{column}: {csv}");
    }
}
