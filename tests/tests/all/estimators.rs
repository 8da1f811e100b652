//! What estimates take into account, from YAML to the stored result: clusters, covariates, strata, families, resampling, shares.

use serde_json::{Value, json};

use crate::lab::{Lab, Raw, estimate, number, texts};

/// Units, two of each household; households are in a and b in turn, one unit a minute from 1 September on.
const UNITS: usize = 800;

fn arm(n: usize) -> usize {
    n / 2 % 2
}

fn country(n: usize) -> usize {
    usize::from(n / 2 % 7 > 2)
}

/// What unit `n` spends an hour after exposure: much of it is its household's and its country's.
fn spent(n: usize) -> f64 {
    let household = n / 2;
    (10 + household * 37 % 11 + n * 13 % 3 + 9 * country(n) + 2 * arm(n)) as f64
}

/// What it spent before.
fn earlier(n: usize) -> f64 {
    (1 + n / 2 * 37 % 11 + n % 2) as f64
}

fn raw() -> Raw {
    let mut raw = Raw::default();
    for n in 0..UNITS {
        let at = format!("2026-09-01T{:02}:{:02}", n / 60, n % 60);
        raw.people.push(format!("p{n},{},h{}", ["DE", "AT"][country(n)], n / 2));
        raw.exposures.push(format!("p{n},{},{at}:00Z", ["a", "b"][arm(n)]));
        raw.purchases.push(format!("o{n},p{n},{at}:30Z,{}", spent(n)));
        raw.purchases.push(format!("x{n},p{n},2026-08-20T00:00:00Z,{}", earlier(n)));
        if n.is_multiple_of(3) {
            raw.purchases.push(format!("y{n},p{n},2026-08-21T00:00:00Z,1"));
        }
    }
    raw
}

const PEOPLE: &str = "version: 1
table: people
kind: entity
entity: person
key: [person_id]
columns:
  - {name: person_id, type: utf8, nullable: false}
  - {name: country, type: utf8}
  - {name: household_id, type: utf8}
";

const METRICS: [(&str, &str); 3] = [
    ("purchases", "type: count\nfact: {table: purchases}\n"),
    ("basket", "type: ratio\nnumerator: revenue\ndenominator: purchases\n"),
    ("large", "type: proportion\nfact: {table: purchases, where: amount > 21}\n"),
];

/// A lab whose people have households.
fn lab(raw: &Raw) -> Lab {
    let lab = Lab::new(raw);
    lab.write("schemas/people.yaml", PEOPLE);
    lab.write("data/people.csv", &format!("person_id,country,household_id\n{}\n", raw.people.join("\n")));
    for (metric, definition) in METRICS {
        lab.write(
            &format!("pipelines/shop/metrics/{metric}.yaml"),
            &format!("version: 1\nmetric: {metric}\n{definition}"),
        );
    }
    lab
}

fn near(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-9, "{found}, not {expected}");
}

fn units(of: usize) -> Vec<usize> {
    (0..UNITS).filter(|n| arm(*n) == of).collect()
}

fn mean(units: &[usize], value: impl Fn(usize) -> f64) -> f64 {
    units.iter().map(|n| value(*n)).sum::<f64>() / units.len() as f64
}

const GOAL: &str = "conversion_window: 1 day\nmetrics: {goal: [revenue]}\n";

#[test]
fn clusters_are_the_unit_of_randomisation() {
    let mut raw = raw();
    // The household of unit 10 sees both variants by unit 11 alone, and unit 20 has no household.
    raw.exposures.push("p11,a,2026-09-02T00:00:00Z".to_owned());
    raw.people[20] = "p20,DE,".to_owned();
    let lab = lab(&raw);
    lab.define("plain", GOAL);
    lab.define("clustered", &format!("{GOAL}cluster: household_id\nsegments: [country/*]\n"));
    lab.measure("2026-09-20");
    let shown = lab.shown("clustered");
    let row = estimate(&shown, "revenue");
    let left: Vec<usize> = (0..UNITS).filter(|n| ![10, 11, 20].contains(n)).collect();
    // Σ over households (Σ of their residuals)², times G / (G - 1) of G households, over n².
    let variance = |of: usize| {
        let own: Vec<usize> = left.iter().copied().filter(|n| arm(*n) == of).collect();
        let centre = mean(&own, spent);
        let mut residuals = std::collections::BTreeMap::<usize, f64>::new();
        own.iter().for_each(|n| *residuals.entry(n / 2).or_default() += spent(*n) - centre);
        let g = residuals.len() as f64;
        (
            residuals.values().map(|sum| sum * sum).sum::<f64>() * g / (g - 1.0) / (own.len() as f64).powi(2),
            residuals.len(),
        )
    };
    let ((control, control_clusters), (treatment, clusters)) = (variance(0), variance(1));
    near(number(row, "/absolute/se"), (control + treatment).sqrt());
    assert_eq!((&row["clusters"], &row["control_clusters"]), (&json!(clusters), &json!(control_clusters)));
    assert_eq!((row["n"].as_u64(), row["control_n"].as_u64()), (Some(398), Some(399)));
    let plain = lab.shown("plain");
    assert!(
        number(row, "/absolute/se") > 1.3 * number(estimate(&plain, "revenue"), "/absolute/se"),
        "two of each are alike"
    );
    assert_eq!(estimate(&plain, "revenue")["clusters"], Value::Null);

    assert_eq!(shown["srm"]["counted"], "clusters");
    assert_eq!(shown["srm"]["observed"][0]["count"], json!(control_clusters));
    assert_eq!(plain["srm"]["counted"], "units");
    let notes = texts(&shown["notes"]);
    for part in ["1 clusters have several variants", "the cluster of 1 units is not known"] {
        assert!(notes.iter().any(|note| note.contains(part)), "{part}: {notes:?}");
    }
    let check = shown["checks"]
        .as_array()
        .and_then(|all| all.iter().find(|check| check["check"] == "mixed_clusters"));
    assert!(
        check.is_some_and(|check| check["finding"] == "1 of 400 clusters have several variants"),
        "{}",
        shown["checks"]
    );
    let note = &shown["method"]["estimators"][0];
    assert_eq!(
        (&note["estimator"], &note["parameters"]),
        (&"cluster_robust".into(), &json!({"cluster": "household_id"}))
    );
    let table = lab.tranche(&["experiment", "show", "clustered"]).expect_code(0).stdout;
    assert!(
        table.contains("cluster_robust {\"cluster\":\"household_id\"}") && table.contains("clusters"),
        "{table}"
    );
}

#[test]
fn covariates_are_taken_out_of_means_ratios_and_segments() {
    let lab = lab(&raw());
    let metrics = "conversion_window: 1 day\nmetrics: {goal: [revenue], secondary: [basket, large]}\nsegments: [country/*]\n";
    lab.define("plain", metrics);
    lab.define("own", &format!("{metrics}statistics: {{cuped: {{lookback: 28 days}}}}"));
    lab.define(
        "named",
        &format!("{metrics}statistics: {{cuped: {{lookback: 28 days, covariates: [revenue]}}}}"),
    );
    lab.define(
        "both",
        &format!("{metrics}statistics: {{cuped: {{lookback: 28 days, covariates: [basket, revenue]}}}}"),
    );
    lab.measure("2026-09-20");
    let [plain, own, named, both] = ["plain", "own", "named", "both"].map(|name| lab.shown(name));
    let slopes = |shown: &Value, metric: &str| -> Vec<String> {
        let thetas = estimate(shown, metric)["cuped_thetas"].as_object().cloned().unwrap_or_default();
        thetas.keys().cloned().collect()
    };
    assert_eq!(slopes(&own, "revenue"), ["revenue"]);
    assert_eq!(slopes(&own, "basket"), ["purchases", "revenue"], "a ratio's past is that of its parts");
    assert_eq!(slopes(&named, "large"), ["revenue"]);
    assert_eq!(slopes(&both, "large"), ["purchases", "revenue"], "each once");
    assert_eq!(estimate(&own, "revenue"), estimate(&named, "revenue"), "the metric itself is its covariate");
    for (shown, metric) in [(&own, "revenue"), (&own, "basket"), (&named, "large"), (&both, "basket")] {
        let (adjusted, as_is) = (estimate(shown, metric), estimate(&plain, metric));
        assert!(
            number(adjusted, "/absolute/se") < number(as_is, "/absolute/se"),
            "{metric}: {adjusted} {as_is}"
        );
    }
    // θ = cov / var over both arms as one sample, the variance of the residuals within each.
    let everyone: Vec<usize> = (0..UNITS).collect();
    let past = |n: usize| earlier(n) + f64::from(u8::from(n.is_multiple_of(3)));
    let theta = |units: &[usize]| {
        let (x, y) = (mean(units, spent), mean(units, past));
        units.iter().map(|n| (spent(*n) - x) * (past(*n) - y)).sum::<f64>()
            / units.iter().map(|n| (past(*n) - y).powi(2)).sum::<f64>()
    };
    let found = estimate(&own, "revenue");
    near(number(found, "/cuped_thetas/revenue"), theta(&everyone));
    let variance = |of: usize| {
        let (own, slope) = (units(of), theta(&everyone));
        let residual = |n: usize| spent(n) - slope * past(n);
        let centre = mean(&own, residual);
        own.iter().map(|n| (residual(*n) - centre).powi(2)).sum::<f64>()
            / (own.len() * (own.len() - 1)) as f64
    };
    near(number(found, "/absolute/se"), (variance(0) + variance(1)).sqrt());
    // In a segment the slope is that of its own units.
    let rows = own["estimates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let inside: Vec<usize> = (0..UNITS).filter(|n| country(*n) == 1).collect();
    let row = rows.iter().find(|row| row["segment"] == "country/AT" && row["metric"] == "revenue");
    near(number(row.unwrap_or(&Value::Null), "/cuped_thetas/revenue"), theta(&inside));
}

#[test]
fn strata_are_what_units_were_at_exposure() {
    let mut raw = raw();
    // A country with one unit is put together with the smaller of the others.
    raw.people[0] = "p0,CH,h0".to_owned();
    let lab = lab(&raw);
    lab.define("strata", &format!("{GOAL}statistics: {{strata: [country/*]}}"));
    lab.define("inside", &format!("{GOAL}segments: [country/*]\nstatistics: {{strata: [country/*]}}"));
    lab.define("segments", &format!("{GOAL}segments: [country/*]\n"));
    lab.measure("2026-09-20");
    let shown = lab.shown("strata");
    let row = estimate(&shown, "revenue");
    assert_eq!(row["strata"], json!({"weighed": 2, "pooled": 1}));
    assert_eq!(shown["estimates"].as_array().map(Vec::len), Some(1), "strata are no segments of the result");
    let strata: [Vec<usize>; 2] = [0, 1].map(|one| (0..UNITS).filter(|n| country(*n) == one).collect());
    let (mut effect, mut variance) = (0.0, 0.0);
    for stratum in &strata {
        let weight = stratum.len() as f64 / UNITS as f64;
        for (of, sign) in [(0, -1.0), (1, 1.0)] {
            let own: Vec<usize> = stratum.iter().copied().filter(|n| arm(*n) == of).collect();
            let centre = mean(&own, spent);
            effect += sign * weight * centre;
            let spread = own.iter().map(|n| (spent(*n) - centre).powi(2)).sum::<f64>();
            variance += weight * weight * spread / (own.len() * (own.len() - 1)) as f64;
        }
    }
    near(number(row, "/absolute/effect"), effect);
    near(number(row, "/absolute/se"), variance.sqrt());
    // A stratum within itself is what it is.
    let of = |shown: &Value, pointer: &str| -> Vec<f64> {
        let rows = shown["estimates"].as_array().cloned().unwrap_or_default();
        rows.iter().filter(|row| row["segment"] == "country/AT").map(|row| number(row, pointer)).collect()
    };
    let (inside, plain) = (lab.shown("inside"), lab.shown("segments"));
    for pointer in ["/absolute/effect", "/absolute/se", "/absolute/p"] {
        near(of(&inside, pointer)[0], of(&plain, pointer)[0]);
    }
    let table = lab.tranche(&["experiment", "show", "strata"]).expect_code(0).stdout;
    assert!(table.contains("post_stratification {\"strata\":[\"country/*\"]}"), "{table}");
}

#[test]
fn families_are_judged_as_declared() {
    let lab = lab(&raw());
    let families = "conversion_window: 1 day\nmetrics: {goal: [revenue, large], guardrail: [basket]}\nsegments: [country/*]\n\
                    statistics:\n  adjust: holm\n  families:\n    \
                    primary: {metrics: [revenue, large], segments: [all], adjust: bonferroni}\n    \
                    breakdown: {metrics: [revenue], segments: [country/*], adjust: benjamini_hochberg}\n";
    lab.define("families", families);
    lab.measure("2026-09-20");
    let shown = lab.shown("families");
    let rows = shown["estimates"].as_array().cloned().unwrap_or_default();
    let family = |metric: &str, segment: &str| {
        let row = rows
            .iter()
            .find(|row| row["metric"] == metric && row["segment"] == segment)
            .cloned()
            .unwrap_or_default();
        (row["family"].as_str().unwrap_or_default().to_owned(), row["absolute"].clone())
    };
    for (metric, segment, expected) in [
        ("revenue", "all", "primary"),
        ("large", "all", "primary"),
        ("revenue", "country/AT", "breakdown"),
        ("large", "country/AT", "goal"),
        ("basket", "all", "guardrail"),
    ] {
        assert_eq!(family(metric, segment).0, expected, "{metric} in {segment}");
    }
    let (_, primary) = family("large", "all");
    near(number(&primary, "/p_adjusted"), (2.0 * number(&primary, "/p")).min(1.0));
    assert!(primary["ci_adjusted"].is_array() && family("basket", "all").1["ci_adjusted"].is_null());
    let listed: Vec<String> = shown["method"]["families"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|note| format!("{} {} {}", note["family"], note["holds"], note["comparisons"]).replace('"', ""))
        .collect();
    let all = [
        "primary family_wise 2",
        "breakdown false_discovery 2",
        "goal family_wise 2",
        "guardrail family_wise 3",
    ];
    assert_eq!(listed, all);
    let table = lab.tranche(&["experiment", "show", "families"]).expect_code(0).stdout;
    assert!(
        table.contains("family breakdown: 2 comparisons by benjamini_hochberg (false_discovery)"),
        "{table}"
    );
}

#[test]
fn resampled_variances_are_near_the_formula_and_repeat_themselves() {
    let lab = lab(&raw());
    let metrics = "conversion_window: 1 day\nmetrics: {goal: [revenue], secondary: [{metric: basket, variance: bootstrap}]}\n";
    lab.define("mixed", metrics);
    lab.define("plain", "conversion_window: 1 day\nmetrics: {goal: [revenue], secondary: [basket]}\n");
    lab.define(
        "all",
        &format!("{GOAL}cluster: household_id\nstatistics: {{variance: {{bootstrap: {{replicates: 4000, seed: 7}}}}}}"),
    );
    lab.define("clusters", &format!("{GOAL}cluster: household_id\n"));
    lab.measure("2026-09-20");
    let [mixed, plain, all, clusters] = ["mixed", "plain", "all", "clusters"].map(|name| lab.shown(name));
    assert_eq!(estimate(&mixed, "revenue"), estimate(&plain, "revenue"));
    for (resampled, formula, metric) in [(&mixed, &plain, "basket"), (&all, &clusters, "revenue")] {
        let (resampled, formula) = (estimate(resampled, metric), estimate(formula, metric));
        assert_eq!(
            (&resampled["variance_method"], &formula["variance_method"]),
            (&"bootstrap".into(), &Value::Null)
        );
        near(number(resampled, "/absolute/effect"), number(formula, "/absolute/effect"));
        let ratio = number(resampled, "/absolute/se") / number(formula, "/absolute/se");
        assert!((ratio - 1.0).abs() < 0.06 && ratio != 1.0, "{metric}: {ratio}");
    }
    lab.measure("2026-09-20");
    assert_eq!(lab.shown("mixed")["estimates"], mixed["estimates"]);
    let named = &all["method"]["estimators"][1];
    assert_eq!(named["parameters"], json!({"variance": {"bootstrap": {"replicates": 4000, "seed": 7}}}));
}

/// scipy 1.17.1: `quad` over the control's beta density, for 100 and 120 successes of 1000 and uniform priors.
#[test]
fn shares_are_counted_exactly_with_a_beta_prior() {
    let mut raw = Raw::default();
    for n in 0..2000 {
        raw.people.push(format!("p{n},DE,h{n}"));
        raw.exposures.push(format!("p{n},{},2026-09-01T00:00:00Z", ["a", "b"][n % 2]));
        if n / 2 < [100, 120][n % 2] {
            raw.purchases.push(format!("o{n},p{n},2026-09-01T01:00:00Z,{}", 1 + n % 5));
        }
    }
    let lab = lab(&raw);
    lab.define(
        "shares",
        "conversion_window: 1 day\nmetrics: {goal: [buyers], secondary: [revenue]}\n\
         statistics: {inference: bayes, prior: {relative: {mean: 0, sd: 0.2}, beta: {alpha: 1, beta: 1}}}",
    );
    lab.define(
        "normal",
        "conversion_window: 1 day\nmetrics: {goal: [revenue]}\n\
         statistics: {inference: bayes, prior: {relative: {mean: 0, sd: 0.2}}}",
    );
    lab.measure("2026-09-20");
    let shown = lab.shown("shares");
    let row = estimate(&shown, "buyers");
    for (pointer, expected) in [
        ("/absolute/chance_to_win", 0.923_183_438_973_559_3),
        ("/absolute/risk", 0.000_484_613_926_356_443_87),
        ("/absolute/ci/0", -0.007_470_692_707_560_913),
        ("/absolute/ci/1", 0.047_469_692_724_217_555),
        ("/relative/effect", 0.208_792_415_169_660_96),
        ("/relative/ci/1", 0.540_838_193_099_649_4),
    ] {
        assert!((number(row, pointer) - expected).abs() < 1e-6, "{pointer}: {row}");
    }
    let same = |name: &str| estimate(&lab.shown(name), "revenue")["absolute"].clone();
    assert_eq!(same("shares"), same("normal"), "other metrics have the other prior");
    assert_eq!(shown["method"]["parameters"]["prior"]["beta"], json!({"alpha": 1.0, "beta": 1.0}));
    assert_eq!(shown["method"]["estimators"][0]["estimator"], "beta_binomial");
}

#[test]
fn mistakes_are_reported_at_their_place() {
    let lab = lab(&raw());
    // Line 8 is the first line of these keys.
    for (keys, line, column, part) in [
        ("cluster: house\nmetrics: {goal: [revenue]}", 8, 10, "no column `house` in `exposures` or `people`"),
        (
            "cluster: household_id\nmetrics: {goal: [revenue]}\nstatistics: {strata: [country/*]}",
            10,
            23,
            "leave `strata` or `cluster` out",
        ),
        ("metrics: {goal: [revenue]}\nstatistics: {strata: [county/*]}", 9, 23, "no segment `county/*`"),
        (
            "metrics: {goal: [revenue]}\nstatistics: {cuped: {lookback: 7 days, covariates: [visits]}}",
            9,
            53,
            "there is no metric `visits`",
        ),
        (
            "metrics: {goal: [revenue]}\nstatistics: {variance: {bootstrap: {replicates: 9}}}",
            9,
            24,
            "from 100 to 100000 replicates",
        ),
        (
            "metrics: {goal: [{metric: revenue, variance: {bootstrap: {replicates: 9}}}]}",
            8,
            18,
            "from 100 to 100000 replicates",
        ),
        ("metrics: {goal: [revenue]}\nstatistics: {variance: jackknife}", 9, 14, "jackknife"),
        (
            "metrics: {goal: [revenue]}\nstatistics: {inference: bayes, prior: {beta: {alpha: 1, beta: 1}}}",
            8,
            18,
            "no metric of this experiment is a proportion",
        ),
        (
            "metrics: {goal: [buyers]}\nstatistics: {inference: bayes, prior: {beta: {alpha: 0, beta: 1}}}",
            9,
            39,
            "more than 0",
        ),
        (
            "metrics: {goal: [buyers]}\nstatistics: {inference: bayes, cuped: {lookback: 7 days}, prior: {beta: {alpha: 1, beta: 1}}}",
            9,
            50,
            "leave `cuped` out",
        ),
        (
            "metrics: {goal: [revenue]}\nstatistics: {families: {one: {metrics: [revenue]}}}",
            9,
            30,
            "does not say how it is adjusted",
        ),
        (
            "metrics: {goal: [revenue]}\nstatistics: {families: {goal: {adjust: holm}}}",
            9,
            31,
            "give this one another name",
        ),
        (
            "metrics: {goal: [revenue]}\nstatistics: {families: {one: {metrics: [buyers], adjust: holm}}}",
            9,
            41,
            "no metric of this experiment",
        ),
        (
            "metrics: {goal: [revenue]}\nstatistics: {families: {one: {segments: [country/*], adjust: holm}}}",
            9,
            42,
            "no segment of this experiment",
        ),
        (
            "metrics: {goal: [revenue]}\nstatistics: {families: {one: {variants: [a], adjust: holm}}}",
            9,
            42,
            "no treatment of this experiment",
        ),
        (
            "metrics: {goal: [revenue, buyers]}\nstatistics: {adjust: holm, families: {one: {metrics: [revenue]}, two: {segments: [all]}}}",
            9,
            71,
            "families `one` and `two` both hold `revenue` in `all`",
        ),
        (
            "metrics: {goal: [buyers]}\nstatistics: {inference: bayes, prior: flat, families: {one: {adjust: holm}}}",
            9,
            61,
            "leave `families` out",
        ),
    ] {
        lab.define("wrong", keys);
        let found = lab.tranche(&["check", "--format", "json"]).expect_code(2).json();
        let problem = &found["problems"][0];
        let place = (problem["line"].as_u64(), problem["column"].as_u64());
        assert!(
            problem["message"].as_str().is_some_and(|message| message.contains(part)),
            "{keys}: {problem}"
        );
        assert_eq!(place, (Some(line), Some(column)), "{keys}: {problem}");
    }
}
