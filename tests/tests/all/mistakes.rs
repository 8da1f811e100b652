//! What `tranche check` says about mistakes that people make: each at its place, and nothing else.
//!
//! The places are those where a person would look. `tests/scenarios/mistakes/project` has one mistake in nearly every file; files without one
//! stand on others that are wrong, and must not be blamed for them.

#![expect(clippy::unwrap_used, reason = "a test that finds something else than it should panics")]

use std::fs;

use serde_json::Value;
use tranche_tests::Sandbox;

/// File, line, column, and a part of the message.
type Mistake = (&'static str, u64, u64, &'static str);

const CONTRACTS: &[Mistake] = &[
    ("calls.yaml", 8, 2, "tabs"),
    ("logins.yaml", 6, 13, "no column `loged_in_at`"),
    ("payments.yaml", 11, 50, "amout"),
    ("returns.yaml", 9, 31, "type `string`"),
    ("reviews.yaml", 1, 1, "`version`"),
    ("stores.yaml", 5, 6, "list"),
    ("visits.yaml", 10, 30, "unknown key `nulable`"),
];
const SOURCES: &[Mistake] = &[
    ("customers.yaml", 6, 1, "unknown key `delimiter`"),
    ("customers.yaml", 7, 1, "unknown key `on_rejects`"),
    ("invoices.yaml", 3, 7, "table `invoices`"),
    ("late_orders.yaml", 6, 37, "max_ratio"),
    ("old_orders.yaml", 4, 9, "excel"),
    ("orders.yaml", 8, 20, "found: *"),
    ("returns.yaml", 6, 1, "format"),
    ("sends.yaml", 7, 12, "no column `send_at`"),
];
const TRAITS: &[Mistake] = &[
    ("home.sql", 5, 50, "`country`"),
    ("key_last.sql", 5, 8, "`customer_id` of `customer` first"),
    ("mail.sql", 4, 37, "no trait `mails_90d`"),
    ("no_alias.sql", 5, 21, "max"),
    ("not_grouped.sql", 6, 8, "GROUP BY"),
    ("of_segment.sql", 5, 21, "in_segment"),
    ("order_status.sql", 4, 25, "paid_orders"),
    ("value.sql", 5, 69, "traits"),
];
const SEGMENTS: &[Mistake] = &[
    ("aggregate_in_where.sql", 7, 7, "WHERE"),
    ("all_columns.sql", 5, 8, "must return the key"),
    ("ambiguous.sql", 5, 8, "ambiguous"),
    ("clock.sql", 7, 24, "`now`"),
    ("current_date.sql", 7, 37, "`current_date`"),
    ("cycle_two.sql", 5, 38, "cycle_one -> cycle_two -> cycle_one"),
    ("delete.sql", 5, 1, "SELECT"),
    ("expectation.sql", 4, 31, "share"),
    ("indentation.sql", 4, 7, ""),
    ("known_answers.sql", 5, 13, "`2024-02-30`"),
    ("no_entity.sql", 2, 1, "`entity`"),
    ("no_front_matter.sql", 1, 1, "no front matter"),
    ("not_a_condition.sql", 7, 7, "country"),
    ("open_bracket.sql", 6, 39, ")"),
    ("open_front_matter.sql", 1, 1, "not closed"),
    ("power.sql", 8, 7, "`^` is a power"),
    ("quotes.sql", 6, 17, "DE"),
    ("reserved.sql", 2, 10, "`all`"),
    ("set_with_one_column.sql", 5, 8, "a label"),
    ("set_without_label.sql", 5, 38, "lifecycle"),
    ("slash.sql", 2, 10, "`crm/loyal`"),
    ("syntax.sql", 7, 16, "found: >"),
    ("text_as_instant.sql", 7, 38, "yesterday"),
    ("text_as_number.sql", 5, 1, "types"),
    ("tier_bronze.sql", 4, 8, "`priority:`"),
    ("tier_silver.sql", 5, 11, "`tier_gold` has priority 1"),
    ("two_columns.sql", 5, 21, "must return the key"),
    ("two_statements.sql", 6, 1, "several statements"),
    ("unknown_column.sql", 7, 22, "revenu_365d"),
    ("unknown_entity.sql", 3, 9, "entity `costumer`"),
    ("unknown_function.sql", 7, 7, "days_between"),
    ("unknown_qualified_column.sql", 7, 7, "amont"),
    ("unknown_segment.sql", 7, 26, "segment `vipp`"),
    ("unknown_table.sql", 7, 29, "ordres"),
    ("vip.sql", 2, 10, "pipelines/renamed/segments/vip.sql"),
    ("vip_again.sql", 2, 10, "pipelines/shop/segments/vip.sql"),
    ("wrong_arguments.sql", 7, 7, "date_part"),
    ("wrong_key.sql", 5, 8, "`customer_id`"),
];
const METRICS: &[Mistake] = &[
    ("basket.yaml", 5, 14, "metric `order`"),
    ("best.yaml", 4, 49, "maximum"),
    ("capped.yaml", 5, 6, "mapping"),
    ("margin.yaml", 4, 30, "margn"),
    ("nothing.yaml", 4, 34, "value"),
    ("paid.yaml", 4, 56, "found: ="),
    ("refunds.yaml", 4, 15, "table `refunds`"),
];
const EXPERIMENTS: &[Mistake] = &[
    ("arms.yaml", 6, 10, "control `c`"),
    ("audience.yaml", 9, 25, "segment `vips`"),
    ("exposure.yaml", 4, 35, "no column `variant`"),
    ("period.yaml", 7, 32, "ends before it begins"),
    ("statistics.yaml", 9, 21, "alpha"),
    ("winback.yaml", 8, 18, "metric `order_count`"),
    ("window.yaml", 8, 20, "`1 month`"),
];
const REPORTS: &[Mistake] = &[
    ("daily.yaml", 4, 17, "segment `lapsing`"),
    ("monthly.yaml", 3, 9, "monthly"),
    ("weekly.yaml", 7, 14, "metric `revenues`"),
];
const PIPELINES: &[Mistake] = &[
    ("circle/pipeline.yaml", 5, 37, "circle: one -> two -> one"),
    ("hourly/pipeline.yaml", 3, 18, "0 25 * * *"),
    ("nothing/pipeline.yaml", 4, 25, "source `stock`"),
    ("nothing/pipeline.yaml", 5, 30, "segment `gone`"),
    ("nothing/pipeline.yaml", 6, 27, "experiment `gone`"),
    ("nothing/pipeline.yaml", 7, 27, "report `gone`"),
    ("renamed/pipeline.yaml", 2, 11, "`other_name`"),
    ("shop/pipeline.yaml", 3, 41, "time zone `Europe/Berln`"),
    ("shop/pipeline.yaml", 6, 42, "step `laod`"),
    ("shop/pipeline.yaml", 7, 97, "`twenty minutes`"),
    ("twice/pipeline.yaml", 5, 10, "step `load`"),
    ("twice/pipeline.yaml", 6, 30, "two actions"),
];

/// Words of the machinery below, which do not help the author of a definition.
const JARGON: &[&str] = &[
    "Internal error",
    "ParserError",
    "Schema error",
    "Optimizer rule",
    "Error during planning",
    "at Line:",
    "unknown variant",
    "mapping start",
    "sequence start",
    "DuplicateKeyPolicy",
    "'segment:",
    "Utf8",
];

#[test]
fn contracts() {
    check("schemas/", CONTRACTS);
}

#[test]
fn sources() {
    check("pipelines/shop/sources/", SOURCES);
}

#[test]
fn traits() {
    check("pipelines/shop/traits/", TRAITS);
}

#[test]
fn segments() {
    check("pipelines/shop/segments/", SEGMENTS);
}

#[test]
fn metrics() {
    check("pipelines/shop/metrics/", METRICS);
}

#[test]
fn experiments() {
    check("pipelines/shop/experiments/", EXPERIMENTS);
}

#[test]
fn reports() {
    check("pipelines/shop/reports/", REPORTS);
}

#[test]
fn pipelines() {
    check("pipelines/", PIPELINES);
}

#[test]
fn every_problem_is_shown_with_its_line() {
    let sandbox = Sandbox::scenario("mistakes", None);
    let shown = sandbox.run(&["check"]).expect_code(2);
    assert!(shown.stdout.is_empty(), "problems are no result: {}", shown.stdout);
    for problem in problems(&sandbox) {
        let text = fs::read_to_string(sandbox.path().join(&problem.file)).unwrap();
        let line = text.lines().nth(usize::try_from(problem.line).unwrap() - 1).unwrap_or_default();
        let head = format!(
            "{}:{}:{}: {}\n{} | {line}\n",
            problem.file, problem.line, problem.column, problem.message, problem.line
        );
        assert!(shown.stderr.contains(&head), "not shown: {head}\nin:\n{}", shown.stderr);
    }
}

#[test]
fn messages_speak_to_the_author_of_the_definition() {
    let sandbox = Sandbox::scenario("mistakes", None);
    let strange = |message: &str| {
        let jargon = JARGON.iter().any(|word| message.contains(word));
        jargon || message.ends_with('.') || message.starts_with(char::is_uppercase) || message.contains('\n')
    };
    let strange = problems(&sandbox)
        .into_iter()
        .filter(|p| strange(&p.message) || p.help.as_deref().is_some_and(strange));
    let strange: Vec<String> =
        strange.map(|p| format!("{}: {} (help: {:?})", p.file, p.message, p.help)).collect();
    assert!(strange.is_empty(), "{}", strange.join("\n"));
}

#[test]
fn a_wrong_time_zone_of_the_project() {
    check_alone(
        "tranche.yaml",
        "version: 1\ntimezone: Europe/Berln\n",
        &[("tranche.yaml", 2, 11, "`Europe/Berln`")],
    );
}

#[test]
fn an_unknown_key_of_the_project() {
    check_alone(
        "tranche.yaml",
        "version: 1\nlakes: ./lake\n",
        &[("tranche.yaml", 2, 1, "unknown key `lakes`")],
    );
}

#[test]
fn a_version_that_is_not_known() {
    check_alone("tranche.yaml", "version: 2\n", &[("tranche.yaml", 1, 10, "version")]);
}

#[test]
fn a_wrong_default_is_found_before_it_fails_a_run() {
    check_alone(
        "pipelines/crm/traits/order_behaviour.sql",
        "/*---\ntraits: order_behaviour\nentity: customer\ndefaults: {order_count: none}\n---*/\nSELECT customer_id, count(*) AS order_count, \
         max(ordered_at) AS last_order_at, sum(revenue) AS revenue FROM orders GROUP BY customer_id\n",
        &[("pipelines/crm/traits/order_behaviour.sql", 4, 25, "order_count")],
    );
}

#[test]
fn arguments() {
    refused(&["--project", "nowhere", "check"], "no tranche.yaml in nowhere");
    refused(&["run", "crn"], "no pipeline `crn`");
    refused(&["run", "crm", "--as-of", "yesterday"], "`yesterday` is not an instant");
    refused(&["segment", "members", "rfm"], "`rfm` is a set");
    refused(&["segment", "members", "rfn"], "no segment `rfn`");
    refused(&["segment", "show", "rfn"], "no segment `rfn`");
    refused(&["experiment", "show", "winback"], "no experiment `winback`");
    refused(&["report", "weekly"], "no report `weekly`");
    refused(&["sql", "SELEC 1"], "query:1:1: ");
    refused(&["sql", "SELECT customer_id\nFROM orders\nWHERE amout > 3"], "query:3:7: ");
    refused(&["sql", "SELECT * FROM ordres"], "query:1:15: ");
    refused(&["sql", "SELECT now()"], "query:1:8: `now`");
    refused(&["sql", "DELETE FROM orders"], "only a SELECT");
}

/// Below `folder`, the problems are exactly `expected`.
fn check(folder: &str, expected: &[Mistake]) {
    let sandbox = Sandbox::scenario("mistakes", None);
    let below = |file: &str| match folder {
        "pipelines/" => file.starts_with(folder) && file.ends_with("/pipeline.yaml"),
        _ => file.starts_with(folder),
    };
    compare(
        problems(&sandbox).into_iter().filter(|problem| below(&problem.file)).collect(),
        folder,
        expected,
    );
}

/// The RFM project with `content` in `file` has exactly the problems `expected`.
fn check_alone(file: &str, content: &str, expected: &[Mistake]) {
    let sandbox = Sandbox::scenario("rfm", None);
    sandbox.write(file, content);
    compare(problems(&sandbox), "", expected);
}

/// In the RFM project, these arguments are refused as wrong, and the message says so.
fn refused(arguments: &[&str], message: &str) {
    let ran = Sandbox::scenario("rfm", None).run(arguments).expect_code(2);
    assert!(ran.stderr.contains(message), "{arguments:?} says `{}`, not `{message}`", ran.stderr);
}

fn compare(mut found: Vec<Problem>, folder: &str, expected: &[Mistake]) {
    let mut missing = Vec::new();
    for (file, line, column, part) in expected {
        let file = format!("{folder}{file}");
        let same = |p: &Problem| {
            p.file == file && p.line == *line && p.column == *column && p.message.contains(part)
        };
        match found.iter().position(same) {
            Some(at) => drop(found.remove(at)),
            None => missing.push(format!("{file}:{line}:{column}: ...{part}...")),
        }
    }
    let noise: Vec<String> =
        found.iter().map(|p| format!("{}:{}:{}: {}", p.file, p.line, p.column, p.message)).collect();
    assert!(
        missing.is_empty() && noise.is_empty(),
        "missing:\n{}\nnot expected:\n{}",
        missing.join("\n"),
        noise.join("\n")
    );
}

struct Problem {
    file: String,
    line: u64,
    column: u64,
    message: String,
    help: Option<String>,
}

fn problems(sandbox: &Sandbox) -> Vec<Problem> {
    let document = sandbox.run(&["check", "--format", "json"]).expect_code(2).json();
    let text = |problem: &Value, key: &str| problem[key].as_str().map(str::to_owned);
    let number = |problem: &Value, key: &str| problem[key].as_u64().unwrap_or_default();
    let read = |problem: &Value| Problem {
        file: text(problem, "file").unwrap_or_default(),
        line: number(problem, "line"),
        column: number(problem, "column"),
        message: text(problem, "message").unwrap_or_default(),
        help: text(problem, "help"),
    };
    document["problems"].as_array().unwrap().iter().map(read).collect()
}
