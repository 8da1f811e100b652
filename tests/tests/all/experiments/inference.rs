//! Every inference, at its looks, in segments and families.

use serde_json::{Value, json};

use super::units::{GOAL, INTERVAL, UNITS, assert_same, raw, stats};
use crate::lab::{Lab, estimate, number};

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
