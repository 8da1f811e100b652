//! Two real experiments, an e-mail and a game, from their raw files to effects, against published figures and those of SciPy.

#![expect(clippy::unwrap_used, reason = "a test that finds something else than it should panics")]

use serde_json::Value;
use tranche_tests::{Sandbox, real_data};

use crate::lab::number;

const MENS: &str = "Mens E-Mail";
const WOMENS: &str = "Womens E-Mail";
const GATE_40: &str = "gate_40";

/// An expected figure of a metric of a variant: a pointer into its estimate, and the digits.
type Published = (&'static str, &'static str, &'static str, &'static str);

#[test]
fn hillstrom_sums() {
    let Some(shown) = hillstrom("email", "hillstrom_sums") else { return };
    for (variant, metric, n, sum) in [
        (MENS, "visit", 21307, 3894.0),
        (MENS, "conversion", 21307, 267.0),
        (MENS, "spend", 21307, 30311.69),
        (WOMENS, "visit", 21387, 3238.0),
        (WOMENS, "conversion", 21387, 189.0),
        (WOMENS, "spend", 21387, 23038.11),
    ] {
        let estimate = estimate(&shown, metric, variant);
        assert_eq!(estimate["n"], n, "{metric} of {variant}");
        let found = number(estimate, "/mean") * f64::from(n);
        assert!((found - sum).abs() < 1e-6, "{metric} of {variant} is {found}, expected {sum}");
    }
    for (metric, sum) in [("visit", 2262.0), ("conversion", 122.0), ("spend", 13908.33)] {
        let estimate = estimate(&shown, metric, MENS);
        assert_eq!(estimate["control_n"], 21306, "{metric} of control");
        let found = number(estimate, "/control_mean") * 21306.0;
        assert!((found - sum).abs() < 1e-6, "{metric} of control is {found}, expected {sum}");
    }
}

#[test]
fn hillstrom_effects() {
    let Some(shown) = hillstrom("email", "hillstrom_effects") else { return };
    let published = [
        ("spend", MENS, "/absolute/effect", "0.7698271559"),
        ("spend", MENS, "/absolute/se", "0.1452465602"),
        ("spend", MENS, "/absolute/ci/0", "0.48514"),
        ("spend", MENS, "/absolute/ci/1", "1.05451"),
        ("spend", MENS, "/absolute/p", "1.1638e-7"),
        ("visit", MENS, "/absolute/effect", "0.0765895637"),
        ("conversion", MENS, "/absolute/effect", "0.0068050065"),
        ("spend", WOMENS, "/absolute/effect", "0.4244122159"),
        ("spend", WOMENS, "/absolute/se", "0.1303328585"),
        ("spend", MENS, "/relative/ci/0", "0.6436904379"),
        ("spend", MENS, "/relative/ci/1", "1.9774473611"),
        ("conversion", MENS, "/relative/ci/0", "0.7795330342"),
        ("conversion", MENS, "/relative/ci/1", "1.7387722486"),
        ("visit", MENS, "/relative/ci/0", "0.6409271105"),
        ("visit", MENS, "/relative/ci/1", "0.8071163548"),
    ];
    all_as_published(&shown, &published);
    as_published("sample ratio", number(&shown, "/srm/p"), "0.9036929576");
}

#[test]
fn hillstrom_channels_add_up() {
    let Some(shown) = hillstrom("email", "hillstrom_channels_add_up") else { return };
    for variant in [MENS, WOMENS] {
        let estimates = shown["estimates"].as_array().unwrap().iter();
        let of_channels = estimates.filter(|e| {
            e["metric"] == "spend"
                && e["variant"] == variant
                && e["segment"].as_str().unwrap().starts_with("channel/")
        });
        let units: i64 = of_channels.map(|e| e["n"].as_i64().unwrap()).sum();
        assert_eq!(units, estimate(&shown, "spend", variant)["n"], "every unit of {variant} has one channel");
    }
}

/// Spending of the year before is taken out with one slope over both arms; the figures are Welch's test of what is left, by SciPy.
#[test]
fn hillstrom_with_past_spending_taken_out() {
    let Some(shown) = hillstrom("email_cuped", "hillstrom_with_past_spending_taken_out") else { return };
    let by_scipy = [
        ("amount", MENS, "/cuped_thetas/amount", "0.00122289651982"),
        ("amount", MENS, "/absolute/effect", "0.76743849942"),
        ("amount", MENS, "/absolute/se", "0.14521504219"),
        ("amount", MENS, "/absolute/ci/0", "0.48281285379"),
        ("amount", MENS, "/absolute/ci/1", "1.05206414506"),
        ("amount", MENS, "/absolute/p", "1.26531447e-7"),
        ("amount", WOMENS, "/cuped_thetas/amount", "0.00103465129359"),
        ("amount", WOMENS, "/absolute/effect", "0.42270092315"),
        ("amount", WOMENS, "/absolute/se", "0.13030821906"),
        ("amount", WOMENS, "/absolute/p", "0.00118020473"),
    ];
    all_as_published(&shown, &by_scipy);
}

#[test]
fn cookie_cats_retention() {
    let Some(shown) = cookie_cats("cookie_cats_retention") else { return };
    let published = [
        ("retention_7", GATE_40, "/absolute/effect", "-0.0082013"),
        ("retention_7", GATE_40, "/absolute/ci/0", "-0.01328"),
        ("retention_7", GATE_40, "/absolute/ci/1", "-0.00312"),
    ];
    all_as_published(&shown, &published);
    for (metric, control, treatment) in
        [("retention_1", 20_034.0, 20_119.0), ("retention_7", 8_502.0, 8_279.0)]
    {
        let estimate = estimate(&shown, metric, GATE_40);
        assert_eq!((&estimate["control_n"], &estimate["n"]), (&44_700.into(), &45_489.into()));
        assert!((number(estimate, "/control_mean") * 44_700.0 - control).abs() < 1e-6, "{estimate}");
        assert!((number(estimate, "/mean") * 45_489.0 - treatment).abs() < 1e-6, "{estimate}");
    }
    as_published("sample ratio", number(&shown, "/srm/p"), "0.0086079878");
    assert_eq!(shown["srm"]["ok"], true, "p = .0086 is no alarm: {}", shown["srm"]);
}

/// One player has 49,854 rounds, the next 2,961. Effects and tests are Welch's by SciPy, lifts Fieller's from the same means.
#[test]
fn cookie_cats_rounds_with_and_without_the_outlier() {
    let Some(shown) = cookie_cats("cookie_cats_rounds_with_and_without_the_outlier") else { return };
    let by_scipy = [
        ("rounds", GATE_40, "/absolute/effect", "-1.15748845395"),
        ("rounds", GATE_40, "/absolute/se", "1.30725041730"),
        ("rounds", GATE_40, "/absolute/ci/0", "-3.71970511649"),
        ("rounds", GATE_40, "/absolute/ci/1", "1.40472820858"),
        ("rounds", GATE_40, "/absolute/p", "0.37592438409"),
        ("rounds", GATE_40, "/relative/ci/0", "-0.06805595849"),
        ("rounds", GATE_40, "/relative/ci/1", "0.02795839394"),
        ("rounds_capped", GATE_40, "/absolute/effect", "-0.10930053449"),
        ("rounds_capped", GATE_40, "/absolute/se", "0.68696234015"),
        ("rounds_capped", GATE_40, "/absolute/ci/0", "-1.45574005385"),
        ("rounds_capped", GATE_40, "/absolute/ci/1", "1.23713898487"),
        ("rounds_capped", GATE_40, "/absolute/p", "0.87358490962"),
        ("rounds_capped", GATE_40, "/relative/ci/0", "-0.02795137372"),
        ("rounds_capped", GATE_40, "/relative/ci/1", "0.02438791059"),
    ];
    all_as_published(&shown, &by_scipy);
}

/// An experiment on the e-mails as shown after a run.
fn hillstrom(experiment: &str, test: &str) -> Option<Value> {
    measured(("hillstrom", "email", "2008-05-01"), experiment, test)
}

/// The experiment on the game as shown after a run.
fn cookie_cats(test: &str) -> Option<Value> {
    measured(("cookie_cats", "gate", "2017-02-01"), "gate", test)
}

/// An experiment as shown after a run of its scenario's pipeline; `None`, said aloud, without the real data.
fn measured((scenario, pipeline, as_of): (&str, &str, &str), experiment: &str, test: &str) -> Option<Value> {
    let sandbox = real_data(test).map(|data| Sandbox::scenario(scenario, Some(&data)))?;
    let _ = sandbox.run(&["run", pipeline, "--as-of", as_of]).expect_code(0);
    Some(sandbox.run(&["experiment", "show", experiment, "--format", "json"]).expect_code(0).json())
}

/// The estimate for everyone.
fn estimate<'a>(shown: &'a Value, metric: &str, variant: &str) -> &'a Value {
    let mut estimates = shown["estimates"].as_array().unwrap().iter();
    let found = estimates.find(|e| e["metric"] == metric && e["variant"] == variant && e["segment"] == "all");
    found.unwrap_or_else(|| panic!("no estimate of {metric} for {variant}"))
}

fn all_as_published(shown: &Value, expected: &[Published]) {
    for (metric, variant, pointer, published) in expected {
        as_published(
            &format!("{metric} of {variant}{pointer}"),
            number(estimate(shown, metric, variant), pointer),
            published,
        );
    }
}

/// `found` agrees with every digit of `published`, whose last one may be rounded or cut off.
fn as_published(what: &str, found: f64, published: &str) {
    let (digits, exponent) = published.split_once('e').unwrap_or((published, "0"));
    let places = i32::try_from(digits.split_once('.').map_or(0, |(_, places)| places.len())).unwrap();
    let unit = 10_f64.powi(exponent.parse::<i32>().unwrap() - places);
    let expected: f64 = published.parse().unwrap();
    assert!((found - expected).abs() < unit, "{what} is {found}, published {published}");
}
