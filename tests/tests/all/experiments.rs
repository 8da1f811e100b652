//! Experiments from YAML to the stored result: inference, margins, decisions, checks, segments, adjustment and plans.

use serde_json::{Value, json};
use tranche_tests::Sandbox;

use crate::lab::{Lab, Raw, estimate, number, texts};

/// A unit is exposed every five minutes from 1 September on, 2000 in all, in turn to a and b.
const UNITS: usize = 2000;

/// What unit `n` spends an hour after exposure; b adds 1.5, and the odd pairs of units, country AT, twice that.
fn spent(n: usize) -> f64 {
    let base = (10 + n * 37 % 11 + n / 2 % 7) as f64;
    base + if n % 2 == 1 { 1.5 * (1.0 + country(n) as f64) } else { 0.0 }
}

fn country(n: usize) -> usize {
    n / 2 % 2
}

fn seen_at(n: usize) -> String {
    let minutes = n * 5;
    format!("2026-09-{:02}T{:02}:{:02}:00Z", 1 + minutes / 1440, minutes % 1440 / 60, minutes % 60)
}

fn raw() -> Raw {
    let mut raw = Raw::default();
    for n in 0..UNITS {
        let (arm, country) = (["a", "b"][n % 2], ["DE", "AT"][country(n)]);
        raw.people.push(format!("p{n},{country}"));
        raw.exposures.push(format!("p{n},{arm},{}", seen_at(n)));
        raw.purchases.push(format!("o{n},p{n},{},{}", seen_at(n).replace(":00Z", ":30Z"), spent(n)));
        // Before exposure: what is left of the spending without the treatment, and alike in both arms.
        raw.purchases.push(format!("x{n},p{n},2026-08-20T00:00:00Z,{}", 5 + n / 2 % 7));
    }
    raw
}

/// The first `units` as `tranche stats` takes them.
fn case(units: usize, kind: &str) -> Value {
    let arm = |parity: usize| {
        let values: Vec<f64> = (0..units).filter(|n| n % 2 == parity).map(spent).collect();
        json!({
            "n": values.len(), "sum": values.iter().sum::<f64>(), "sum_squares": values.iter().map(|x| x * x).sum::<f64>(),
        })
    };
    json!({"cases": {"all": {"kind": kind, "a": arm(0), "b": arm(1)}}})
}

/// What `tranche stats` says of the first `units`.
fn stats(units: usize, kind: &str, arguments: &[&str]) -> Value {
    let sandbox = Sandbox::new();
    sandbox.write("cases.json", case(units, kind).to_string());
    let all: Vec<&str> =
        ["--format", "json", "stats", "cases.json"].into_iter().chain(arguments.iter().copied()).collect();
    sandbox.run(&all).expect_code(0).json()["cases"]["all"]["results"].clone()
}

fn assert_same(found: &Value, expected: &Value, names: &[&str]) {
    for name in names {
        let pointer = format!("/{name}");
        let (found, expected) = (number(found, &pointer), number(expected, &pointer));
        assert!(
            (found - expected).abs() <= 1e-9 * expected.abs().max(1e-3),
            "{name} is {found}, expected {expected}"
        );
    }
}

const INTERVAL: [&str; 5] = ["effect", "se", "ci/0", "ci/1", "p"];
const GOAL: &str = "conversion_window: 1 day\nmetrics: {goal: [revenue]}\n";

#[test]
fn every_inference_is_that_of_the_statistics_and_names_itself() {
    let lab = Lab::new(&raw());
    lab.define("fixed", GOAL);
    lab.define("sequential", &format!("{GOAL}statistics: {{inference: sequential, tuning: 1000}}"));
    lab.define("mixture", &format!("{GOAL}statistics: {{inference: mixture, scale: {{revenue: 0.5}}}}"));
    lab.define("flat", &format!("{GOAL}statistics: {{inference: bayes, prior: flat}}"));
    lab.define(
        "lift",
        &format!("{GOAL}statistics: {{inference: bayes, prior: {{relative: {{mean: 0, sd: 0.3}}}}}}"),
    );
    lab.define(
        "looks",
        &format!(
            "{GOAL}statistics: {{inference: group_sequential, looks: [0.25, 0.5, 1], planned_units: 2000, spending: pocock}}"
        ),
    );
    lab.define(
        "dates",
        &format!("{GOAL}statistics: {{inference: group_sequential, looks: [2026-09-05, 2026-09-12], planned_units: 2000}}"),
    );
    lab.measure("2026-09-20");

    let all = stats(UNITS, "mean", &["--tuning", "1000"]);
    for (name, key, extra) in [
        ("fixed", "freq_absolute", &[][..]),
        ("sequential", "seq1000_absolute", &[][..]),
        ("lift", "bayes_n0_0.3_absolute", &["chance_to_win"][..]),
        ("flat", "bayes_flat_absolute", &["chance_to_win"][..]),
    ] {
        let shown = lab.shown(name);
        let found = &estimate(&shown, "revenue")["absolute"];
        let fields = if name == "fixed" || name == "sequential" { &INTERVAL[..] } else { &INTERVAL[..4] };
        assert_same(found, &all[key], &[fields, extra].concat());
        assert_eq!(shown["method"]["inference"], shown["inference"]);
        assert!(
            shown["method"]["formula"].as_str().is_some_and(|formula| formula.len() > 20),
            "{}",
            shown["method"]
        );
    }
    let shown = lab.shown("flat");
    let flat = &estimate(&shown, "revenue")["absolute"];
    let risks = &all["bayes_flat_absolute"]["risk_control_treatment"];
    assert!(
        (number(flat, "/risk") - number(risks, "/1")).abs() < 1e-12
            && (number(flat, "/risk_control") - number(risks, "/0")).abs() < 1e-9
    );

    let shown = lab.shown("looks");
    let look = &shown["method"]["look"];
    assert_eq!(
        (&look["number"], &look["planned"], &look["is_final"]),
        (&3.into(), &3.into(), &true.into()),
        "{shown}"
    );
    assert!((number(look, "/spent") - 0.05).abs() < 1e-12);
    // Units 500 and 1000 are exposed after 499 and 999 steps of five minutes; the look is a day later, with 288 units more.
    let at =
        ["--inference", "group_sequential", "--spending", "pocock", "--looks", "0.3935,0.6435,1", "--last"];
    assert_same(
        &estimate(&shown, "revenue")["absolute"],
        &stats(UNITS, "mean", &at)["group_sequential_absolute"],
        &INTERVAL,
    );

    let shown = lab.shown("mixture");
    let absolute = &estimate(&shown, "revenue")["absolute"];
    let (z, g) =
        (number(absolute, "/effect") / number(absolute, "/se"), (0.5 / number(absolute, "/se")).powi(2));
    let p = (1.0 + g).sqrt() * (-z * z * g / (2.0 * (1.0 + g))).exp();
    assert!((number(absolute, "/p") / p - 1.0).abs() < 1e-9, "{absolute}: {p}");
    assert_eq!(lab.shown("dates")["method"]["look"]["number"], 2);
}

#[test]
fn between_looks_the_result_is_that_of_the_last_one() {
    let lab = Lab::new(&raw());
    let statistics = "statistics: {inference: group_sequential, looks: [2026-09-04, 2026-09-20], planned_units: 2000}\ndecision: {}";
    lab.write(
        "pipelines/shop/metrics/revenue.yaml",
        "version: 1\nmetric: revenue\ntype: mean\nfact: {table: purchases, value: amount, aggregate: sum}\ncap: {quantile: 0.6}\n",
    );
    lab.define("looks", &format!("{GOAL}{statistics}"));
    lab.measure("2026-09-03");
    let shown = lab.shown("looks");
    let before = estimate(&shown, "revenue");
    assert_eq!(before["absolute"]["effect"], Value::Null);
    assert!(
        before["undefined"]
            .as_str()
            .is_some_and(|reason| reason.contains("no planned look has been reached")),
        "{before}"
    );
    assert_eq!(shown["decision"]["action"], "continue");

    lab.measure("2026-09-04");
    let at_look = lab.shown("looks");
    lab.measure("2026-09-06");
    let later = lab.shown("looks");
    assert_eq!(
        at_look["estimates"], later["estimates"],
        "no look was planned on the 6th, and the cap is that of the 4th"
    );
    assert_eq!(
        (&later["method"]["look"]["number"], &later["method"]["look"]["is_final"]),
        (&1.into(), &false.into())
    );
    // 3 days of 288 units.
    assert_eq!(estimate(&later, "revenue")["n"], 432);
    assert!(number(&later, "/method/look/spent") < 0.05);
    lab.measure("2026-09-21");
    assert_eq!(lab.shown("looks")["method"]["look"]["is_final"], true);
}

#[test]
fn margins_and_directions_are_tested_and_decided_upon() {
    let lab = Lab::new(&raw());
    let metrics = |margin: &str| {
        format!(
            "conversion_window: 1 day\nmetrics: {{goal: [revenue], guardrail: [{{metric: costs, margin: {margin}}}]}}\ndecision: {{}}\n"
        )
    };
    lab.define(
        "tolerant",
        &format!(
            "{}statistics: {{inference: sequential}}",
            metrics("40%").replace("decision: {}", "decision: {stop: never}")
        ),
    );
    lab.define("strict", &metrics("0.1"));
    lab.define("one_sided", &format!("{GOAL}statistics: {{alternative: better}}\ndecision: {{}}"));
    lab.define("undeclared", GOAL);
    lab.measure("2026-09-08");
    for (name, action, part) in [
        // One look was planned, and exposures go on.
        ("strict", "continue", "one look is planned"),
        ("one_sided", "continue", "one look is planned"),
        ("tolerant", "ship", "costs is not worse by its margin"),
        ("undeclared", "undecided", "no decision rule is declared"),
    ] {
        let shown = lab.shown(name);
        assert_eq!(shown["decision"]["action"], action, "{name}: {}", shown["decision"]);
        assert!(
            texts(&shown["decision"]["reasons"]).iter().any(|reason| reason.contains(part)),
            "{}",
            shown["decision"]
        );
    }
    lab.measure("2026-09-20");
    assert_eq!(lab.shown("strict")["decision"]["action"], "stop", "costs are worse");
    let shown = lab.shown("one_sided");
    assert_eq!(shown["decision"]["action"], "ship");
    let row = estimate(&shown, "revenue");
    assert_eq!((&row["alternative"], &row["absolute"]["ci"][1]), (&"greater".into(), &Value::Null));
    assert_same(
        &json!({"p": row["absolute"]["p"], "lo": row["absolute"]["ci"][0]}),
        &json!({"p": stats(UNITS, "mean", &["--alternative", "greater"])["freq_absolute"]["p"],
                "lo": stats(UNITS, "mean", &["--alternative", "greater"])["freq_absolute"]["ci"][0]}),
        &["p", "lo"],
    );
    let shown = lab.shown("strict");
    let guardrail = &estimate(&shown, "costs")["non_inferiority"];
    let expected = &stats(UNITS, "mean_lower_is_better", &["--margin", "0.1"])["freq_absolute"];
    assert_same(
        &json!({"p": guardrail["p"], "bound": guardrail["bound"]}),
        &json!({"p": expected["p"], "bound": expected["ci"][1]}),
        &["p", "bound"],
    );
    assert_eq!(guardrail["holds"], false);
    assert_eq!(estimate(&shown, "costs")["conclusion"], "worse");
}

#[test]
fn segments_are_compared_and_families_adjusted() {
    let lab = Lab::new(&raw());
    let keys = "conversion_window: 1 day\nmetrics: {goal: [revenue], secondary: [buyers]}\nsegments: [country/*, country/DE]\n";
    lab.define("fcr", &format!("{keys}statistics: {{adjust: benjamini_hochberg}}"));
    lab.define("bonferroni", &format!("{keys}statistics: {{adjust: bonferroni}}"));
    lab.define("holm", &format!("{keys}statistics: {{adjust: holm}}"));
    lab.measure("2026-09-20");
    let shown = lab.shown("fcr");
    let tests = shown["heterogeneity"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(
        tests.len(),
        2,
        "one for the set, one for the segment; buyers have no variance: {}",
        shown["heterogeneity"]
    );
    let segments = |test: &Value| -> Vec<String> {
        test["segments"]
            .as_array()
            .unwrap_or(&Vec::new())
            .iter()
            .map(|s| s["segment"].as_str().unwrap_or("").to_owned())
            .collect()
    };
    assert_eq!(segments(&tests[0]), ["country/AT", "country/DE"]);
    assert_eq!(segments(&tests[1]), ["country/DE", "(rest)"]);
    // With two groups Q is the square of the one contrast, and both tests are the same.
    let (at, de) = (&tests[0]["segments"][0], &tests[0]["segments"][1]);
    let z = (number(at, "/effect") - number(de, "/effect")) / number(at, "/se").hypot(number(de, "/se"));
    assert!(
        (number(&tests[0], "/q") / (z * z) - 1.0).abs() < 1e-9
            && (number(&tests[1], "/q") / (z * z) - 1.0).abs() < 1e-9
    );
    assert!(number(&tests[0], "/p") < 0.001, "b adds 1.5 in DE and 3 in AT: {}", tests[0]);
    let between = |value: f64| number(de, "/effect") < value && value < number(at, "/effect");
    assert!(between(number(at, "/pooled_effect")) && between(number(de, "/pooled_effect")), "{}", tests[0]);

    let rows = shown["estimates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let goals: Vec<&Value> = rows.iter().filter(|row| row["role"] == "goal").collect();
    assert_eq!(goals.len(), 3, "all, AT and DE");
    for row in &goals {
        let absolute = &row["absolute"];
        assert!(number(absolute, "/p_adjusted") >= number(absolute, "/p"));
        // All three are rejected, so that the adjusted level is alpha itself.
        let ends = |name: &str| json!({"lo": absolute[name][0], "hi": absolute[name][1]});
        assert_same(&ends("ci_adjusted"), &ends("ci"), &["lo", "hi"]);
    }
    let shown = lab.shown("bonferroni");
    let third = &stats(UNITS, "mean", &["--alpha", "0.016666666666666666"])["freq_absolute"];
    assert_same(
        &json!({"ci": estimate(&shown, "revenue")["absolute"]["ci_adjusted"]}),
        third,
        &["ci/0", "ci/1"],
    );
    let shown = lab.shown("holm");
    assert!(
        estimate(&shown, "revenue")["absolute"]["ci_adjusted"].is_null(),
        "Holm's test has no such intervals"
    );
}

#[test]
fn a_failed_check_is_told_with_what_to_do_wherever_the_result_is_shown() {
    let mut raw = raw();
    // Three of five exposures of b in AT are lost, b spent more before its exposure, and some of a see b later.
    raw.exposures = raw
        .exposures
        .into_iter()
        .enumerate()
        .filter(|(n, _)| ![3, 7, 11].contains(&(n % 20)))
        .map(|(_, row)| row)
        .collect();
    for n in (1..UNITS).step_by(2) {
        raw.purchases.push(format!("y{n},p{n},2026-08-21T00:00:00Z,4"));
    }
    for n in 0..60 {
        raw.exposures.push(format!("p{},b,2026-09-09T00:00:00Z", 2 * n));
    }
    let lab = Lab::new(&raw);
    lab.define(
        "broken",
        &format!("{GOAL}segments: [country/*]\nstatistics: {{cuped: {{lookback: 28 days}}}}\ndecision: {{}}"),
    );
    lab.measure("2026-09-20");
    let shown = lab.shown("broken");
    assert_eq!((&shown["trustworthy"], &shown["decision"]["action"]), (&false.into(), &"investigate".into()));
    let failed: Vec<(&str, &str)> = shown["checks"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|check| check["ok"] == false)
        .map(|check| (check["check"].as_str().unwrap_or(""), check["segment"].as_str().unwrap_or("")))
        .collect();
    for expected in [
        ("sample_ratio", "all"),
        ("several_variants", "all"),
        ("sample_ratio", "country/AT"),
        ("pre_period", "all"),
    ] {
        assert!(failed.contains(&expected), "{expected:?} in {failed:?}");
    }
    assert!(!failed.contains(&("sample_ratio", "country/DE")), "{failed:?}");
    assert!(
        number(&shown, "/srm/sequential_p") > number(&shown, "/srm/p"),
        "looking at any time has its price: {}",
        shown["srm"]
    );
    let first = texts(&shown["notes"])[0];
    assert!(first.contains("find out why assignments change") || first.contains("look for"), "{first}");
    let listed = lab.tranche(&["--format", "json", "experiment", "list"]).expect_code(0).json();
    assert_eq!(listed[0]["trustworthy"], false);
    assert!(lab.tranche(&["experiment", "show", "broken"]).expect_code(0).stdout.contains("NOT TRUSTWORTHY"));
}

#[test]
fn a_plan_changed_after_the_first_exposure_is_amended() {
    let lab = Lab::new(&raw());
    lab.define("plan", GOAL);
    lab.measure("2026-08-31");
    assert_eq!(lab.shown("plan")["plan"], Value::Null, "nobody was exposed");
    lab.define("plan", &format!("{GOAL}statistics: {{alpha: 0.01}}"));
    lab.measure("2026-09-03");
    let registered = lab.shown("plan")["plan"].clone();
    assert_eq!(registered["amendments"], json!([]));
    assert_eq!(registered["registered_at"], "2026-09-03T00:00:00Z");
    assert_eq!(registered["first_exposure"], "2026-09-01T00:00:00Z");

    lab.define("plan", &format!("{GOAL}statistics: {{alpha: 0.1}}"));
    lab.measure("2026-09-04");
    lab.measure("2026-09-04");
    lab.measure("2026-09-05");
    let shown = lab.shown("plan");
    assert_eq!(shown["plan"]["hash"], registered["hash"]);
    let amendments = shown["plan"]["amendments"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(amendments.len(), 1, "{}", shown["plan"]);
    assert_eq!(amendments[0]["as_of"], "2026-09-04T00:00:00Z");
    let change = texts(&amendments[0]["changes"])[0];
    assert!(
        change.starts_with("statistics: ") && change.contains("0.01") && change.contains("0.1"),
        "{change}"
    );
    assert!(
        texts(&shown["notes"])
            .iter()
            .any(|note| note.contains("the plan was changed after the first exposure"))
    );
}

#[test]
fn mistakes_in_statistics_and_decisions_are_told_at_their_place() {
    let lab = Lab::new(&raw());
    // Line 8 is the line of metrics, line 9 that of statistics or decision.
    for (keys, line, column, part) in [
        ("metrics: {goal: [revenue]}\nstatistics: {inference: bayes}", 9, 25, "needs `prior:`"),
        ("metrics: {goal: [revenue]}\nstatistics: {inference: mixture}", 9, 25, "needs `scale:`"),
        (
            "metrics: {goal: [revenue]}\nstatistics: {inference: mixture, scale: {buyers: 1}}",
            9,
            41,
            "metric `revenue`",
        ),
        ("metrics: {goal: [revenue]}\nstatistics: {inference: group_sequential}", 9, 25, "planned looks"),
        (
            "metrics: {goal: [revenue]}\nstatistics: {inference: group_sequential, looks: [0.5, 1]}",
            9,
            50,
            "`planned_units:`",
        ),
        (
            "metrics: {goal: [revenue]}\nstatistics: {inference: group_sequential, planned_units: 9, looks: [0.5, 0.4, 1]}",
            9,
            74,
            "looks rise",
        ),
        ("metrics: {goal: [revenue]}\nstatistics: {scale: 3}", 9, 21, "only with `inference: mixture`"),
        (
            "metrics: {goal: [revenue]}\nstatistics: {inference: bayes, prior: flat, adjust: holm}",
            9,
            53,
            "no p-value to adjust",
        ),
        (
            "metrics: {goal: [revenue]}\nstatistics: {inference: group_sequential, looks: [2026-09-01, 2026-09-10]}",
            9,
            50,
            "the first look is not after",
        ),
        (
            "metrics: {goal: [{metric: revenue, alternative: less}]}\nstatistics: {inference: bayes, prior: flat}",
            8,
            18,
            "both directions",
        ),
        ("metrics: {goal: [{metric: revenue, margin: 1}]}", 8, 18, "only for a guardrail"),
        ("metrics: {goal: [revenue], guardrail: [{metric: buyers, margin: x%}]}", 8, 40, "margin"),
        (
            "metrics: {goal: [revenue], guardrail: [buyers]}\ndecision: {}",
            8,
            40,
            "no margin to be non-inferior within",
        ),
        ("metrics: {guardrail: [{metric: buyers, margin: 0.1}]}\ndecision: {}", 9, 11, "needs a goal"),
    ] {
        lab.define("wrong", keys);
        let found = lab.tranche(&["check", "--format", "json"]).expect_code(2).json();
        let problem = &found["problems"][0];
        let place = (problem["line"].as_u64(), problem["column"].as_u64());
        assert_eq!(place, (Some(line), Some(column)), "{keys}: {problem}");
        assert!(
            problem["message"].as_str().is_some_and(|message| message.contains(part)),
            "{keys}: {problem}"
        );
    }
    lab.write("pipelines/shop/experiments/wrong.yaml", "");
}

#[test]
fn power_is_planned_from_what_people_did_before() {
    let mut raw = raw();
    // Ten days before the observed fortnight: partly what each will spend in it.
    let earlier = |n: usize| (n / 2 % 7 + n % 3) as f64;
    raw.purchases.extend((0..UNITS).map(|n| format!("z{n},p{n},2026-08-10T00:00:00Z,{}", earlier(n))));
    let lab = Lab::new(&raw);
    let goal = "conversion_window: 14 days\nmetrics: {goal: [revenue]}\n";
    lab.define("plain", goal);
    lab.define("cuped", &format!("{goal}statistics: {{cuped: {{lookback: 14 days}}}}"));
    lab.define("sequential", &format!("{goal}statistics: {{inference: sequential}}"));
    lab.measure("2026-09-20");
    let planned = |name: &str| {
        let asked = ["--effect", "5%", "--units-per-day", "100", "--as-of", "2026-09-01"];
        let all: Vec<&str> =
            ["--format", "json", "experiment", "power", name].into_iter().chain(asked).collect();
        lab.tranche(&all).expect_code(0).json()
    };

    let values: Vec<f64> = (0..UNITS).map(|n| (5 + n / 2 % 7) as f64).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / UNITS as f64;
    let centred = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value - mean(values)).collect() };
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let spread = centred(&values);
    let variance = product(&spread, &spread) / (UNITS - 1) as f64;
    let units = |variance: f64| {
        2.0 * variance * ((1.959_963_984_540_054 + 0.841_621_233_572_914) / (0.05 * mean(&values))).powi(2)
    };

    let plain = planned("plain");
    let metric = &plain["metrics"][0];
    assert!(
        (number(metric, "/mean") - mean(&values)).abs() < 1e-9
            && (number(metric, "/variance") - variance).abs() < 1e-9
    );
    let row = &metric["sample_sizes"][0];
    assert!((number(row, "/control") - units(variance)).abs() <= 1.01, "{row}: {}", units(variance));
    assert_eq!(number(row, "/total"), 2.0 * number(row, "/control"));
    assert_eq!(number(row, "/days"), (number(row, "/total") / 100.0 + 14.0).ceil());
    assert_eq!(metric["detectable"].as_array().map(Vec::len), Some(4));
    let fortnight = &metric["detectable"][1];
    let least = (2.0 * variance / 700.0).sqrt() * (1.959_963_984_540_054 + 0.841_621_233_572_914);
    assert!((number(fortnight, "/effect") - least).abs() < 1e-6, "{fortnight}: {least}");

    let covariate = centred(&(0..UNITS).map(earlier).collect::<Vec<f64>>());
    let squared =
        product(&spread, &covariate).powi(2) / (product(&spread, &spread) * product(&covariate, &covariate));
    let cuped = planned("cuped");
    let reduction = number(&cuped, "/metrics/0/variance_reduction");
    assert!(squared > 0.5 && (reduction - squared).abs() < 1e-9, "{reduction} {squared}");
    assert!(
        (number(&cuped, "/metrics/0/sample_sizes/0/control") - units(variance * (1.0 - squared))).abs()
            <= 1.01
    );
    assert!(number(&planned("sequential"), "/metrics/0/sample_sizes/0/control") > number(row, "/control"));
    assert!(
        lab.tranche(&["experiment", "power", "plain", "--power", "0.01"])
            .expect_code(2)
            .stderr
            .contains("--power")
    );
}

/// Hashes computed by the growthbook package for Python, 4.0.0.
#[test]
fn units_are_assigned_as_growthbook_does() {
    let lab = Lab::new(&Raw::default());
    let metrics = "metrics: {goal: [revenue]}\n";
    lab.define("my-experiment", metrics);
    lab.define("other", &format!("{metrics}assignment: {{seed: my-experiment, coverage: 0.5}}"));
    lab.define(
        "spaced",
        &format!("{metrics}assignment: {{namespace: {{name: namespace1, from: 0, to: 0.4}}}}"),
    );
    let assigned = |name: &str, id: &str| {
        lab.tranche(&["--format", "json", "experiment", "assign", name, "--id", id]).expect_code(0).json()[0]
            .clone()
    };
    let found = assigned("my-experiment", "user-1");
    assert_eq!((number(&found, "/hash"), &found["variant"]), (0.8713, &"b".into()));
    // Half of b is [.5, .75).
    assert_eq!(assigned("other", "user-1")["variant"], Value::Null);
    let found = assigned("spaced", "1");
    assert_eq!((&found["in_namespace"], &found["variant"]), (&false.into(), &Value::Null));
}
