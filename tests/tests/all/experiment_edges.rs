//! The edges of an experiment: who counts, from when to when, and what is said where nothing can be computed.

use serde_json::Value;

use crate::lab::{Lab, Raw, estimate, number, texts};

const METRICS: &str = "conversion_window: 2 days\nmetrics: {goal: [revenue], secondary: [buyers, gifts]}";

/// A lab with people `p1`, `p2`, ... as many as are named in exposures, measured at 20 September.
fn measured(
    people: &[impl AsRef<str>],
    exposures: &[impl AsRef<str>],
    purchases: &[impl AsRef<str>],
) -> Value {
    let raw = Raw {
        people: people.iter().map(|person| format!("{},DE", person.as_ref())).collect(),
        exposures: exposures.iter().map(|row| row.as_ref().to_owned()).collect(),
        purchases: purchases.iter().enumerate().map(|(n, row)| format!("o{n},{}", row.as_ref())).collect(),
    };
    let lab = Lab::new(&raw);
    lab.define("edges", METRICS);
    lab.measure("2026-09-20");
    lab.shown("edges")
}

#[test]
fn who_counts_and_from_when_to_when() {
    let shown = measured(
        &["twice", "both", "early", "late", "first", "last", "stranger", "mixed", "quiet"],
        &[
            "twice,a,2026-09-02T12:00:00Z",
            "twice,a,2026-09-03T12:00:00Z",
            "both,a,2026-09-02T12:00:00Z",
            "both,b,2026-09-02T13:00:00Z",
            "early,a,2026-09-02T12:00:00Z",
            "late,b,2026-09-02T12:00:00Z",
            "first,b,2026-09-01T00:00:00Z",
            "last,b,2026-09-11T00:00:00Z",
            "stranger,c,2026-09-02T12:00:00Z",
            "mixed,b,2026-09-02T12:00:00Z",
            "mixed,c,2026-09-02T13:00:00Z",
            "ghost,b,2026-09-02T12:00:00Z",
            "quiet,a,2026-09-10T23:59:59.999999Z",
        ],
        &[
            // Both edges of a window: its first instant counts, the instant at which it closes does not.
            "twice,2026-09-02T12:00:00Z,1",
            "twice,2026-09-04T11:59:59.999999Z,2",
            "twice,2026-09-04T12:00:00Z,400",
            "both,2026-09-02T14:00:00Z,800",
            "early,2026-09-02T11:59:59.999999Z,1600",
            "late,2026-09-05T12:00:00Z,3200",
            "first,2026-09-01T00:00:00Z,8",
            "last,2026-09-11T01:00:00Z,6400",
            "mixed,2026-09-02T14:00:00Z,16",
        ],
    );
    let revenue = estimate(&shown, "revenue");
    assert_eq!((&revenue["control_n"], &revenue["n"]), (&3.into(), &3.into()), "{shown}");
    assert_eq!(number(revenue, "/control_mean"), 1.0, "twice 3, early 0, quiet 0");
    assert_eq!(number(revenue, "/mean"), 8.0, "late 0, first 8, mixed 16");
    for note in [
        "1 units saw several variants and are left out",
        "1 exposed units are not in the entity table and are left out",
        "2 exposures have the variant `c`, which the experiment does not have, and are left out",
    ] {
        assert!(texts(&shown["notes"]).contains(&note), "{note}: {}", shown["notes"]);
    }
    assert_eq!(shown["trustworthy"], true, "one unit in two arms is no failure of the assignment");
}

#[test]
fn a_metric_without_a_row_is_zero_and_has_no_variance() {
    let shown = measured(
        &["p1", "p2", "p3", "p4"],
        &["p1,a", "p2,a", "p3,b", "p4,b"].map(|row| format!("{row},2026-09-02T12:00:00Z")),
        &["p1,2026-09-02T13:00:00Z,5", "p3,2026-09-02T13:00:00Z,5"],
    );
    let gifts = estimate(&shown, "gifts");
    assert_eq!((number(gifts, "/mean"), number(gifts, "/control_mean")), (0.0, 0.0));
    assert_eq!(gifts["undefined"], "the control arm has no variance");
    assert_eq!(gifts["absolute"]["undefined"], gifts["undefined"]);
    assert_eq!(gifts["conclusion"], Value::Null);
}

#[test]
fn one_unit_has_no_variance_and_an_empty_arm_has_no_mean() {
    let one = measured(
        &["p1", "p2", "p3"],
        &["p1,a,2026-09-02T12:00:00Z", "p2,a,2026-09-02T12:00:00Z", "p3,b,2026-09-02T12:00:00Z"],
        &["p1,2026-09-02T13:00:00Z,5", "p3,2026-09-02T13:00:00Z,7"],
    );
    let revenue = estimate(&one, "revenue");
    assert_eq!((number(revenue, "/mean"), &revenue["n"]), (7.0, &1.into()));
    assert_eq!(revenue["undefined"], "the treatment arm has one unit only");

    let none = measured(
        &["p1", "p2"],
        &["p1,a,2026-09-02T12:00:00Z", "p2,a,2026-09-02T12:00:00Z"],
        &["p1,2026-09-02T13:00:00Z,5"],
    );
    let revenue = estimate(&none, "revenue");
    assert_eq!(
        (&revenue["mean"], &revenue["n"], &revenue["control_n"]),
        (&Value::Null, &0.into(), &2.into())
    );
    assert_eq!(revenue["undefined"], "the treatment arm has no units");
    assert!(texts(&none["notes"]).contains(&"variant `b` has no units"), "{}", none["notes"]);
}

#[test]
fn negative_values_have_effects_and_lifts_over_the_size_of_the_mean() {
    let exposures: Vec<String> = (0..40)
        .map(|n| format!("p{n},{},2026-09-02T12:00:00Z", if n % 2 == 0 { "a" } else { "b" }))
        .collect();
    let people: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    let purchases: Vec<String> = (0..40)
        .map(|n| format!("p{n},2026-09-02T13:00:00Z,{}", if n % 2 == 0 { -10 - n % 3 } else { -5 - n % 3 }))
        .collect();
    let shown = measured(&people, &exposures, &purchases);
    let revenue = estimate(&shown, "revenue");
    let (mean, control) = (number(revenue, "/mean"), number(revenue, "/control_mean"));
    assert!(mean < 0.0 && control < mean, "{revenue}");
    assert_eq!(number(revenue, "/absolute/effect"), mean - control);
    let lift = (mean - control) / control.abs();
    assert!((number(revenue, "/relative/effect") - lift).abs() < 1e-12 && lift > 0.0, "{revenue}");
    assert_eq!(revenue["conclusion"], "better");
}

/// Twenty people are exposed by the end of 2 September, and forty by 6 September: of forty planned ones a look at half of them.
#[test]
fn a_look_that_was_taken_stays_taken_when_exposures_are_corrected() {
    let exposure =
        |n: usize, arm: &str, day: usize| format!("p{n},{arm},2026-09-{day:02}T{:02}:00:00Z", n % 24);
    let purchase = |n: usize| format!("o{n},p{n},2026-09-07T23:30:00Z,{}", 10 + n % 7 + 3 * (n % 2));
    let arm = |n: usize| if n.is_multiple_of(2) { "a" } else { "b" };
    let mut exposures: Vec<String> =
        (0..40).map(|n| exposure(n, arm(n), if n < 20 { 2 } else { 6 })).collect();
    let raw = Raw {
        people: (0..40).map(|n| format!("p{n},DE")).collect(),
        exposures: exposures.clone(),
        purchases: (0..40).map(purchase).collect(),
    };
    let lab = Lab::new(&raw);
    let statistics = "statistics: {inference: group_sequential, looks: [0.5, 1], planned_units: 40}";
    lab.define("looks", &format!("{METRICS}\n{statistics}"));
    lab.measure("2026-09-05");
    let first = lab.shown("looks");
    assert_eq!(first["method"]["look"]["number"], 1, "{first}");

    // Rows that come late: half of the first twenty saw the other variant as well, and are no units, so that ten are left.
    exposures.extend((0..10).map(|n| exposure(n, arm(n + 1), 2)));
    lab.write("data/exposures.csv", &format!("person_id,arm,seen_at\n{}\n", exposures.join("\n")));
    lab.measure("2026-09-06");
    let corrected = lab.shown("looks");
    let look = &corrected["method"]["look"];
    for key in ["number", "at", "fraction", "spent", "critical"] {
        assert_eq!(look[key], first["method"]["look"][key], "{key}: {look}");
    }
    let revenue = estimate(&corrected, "revenue");
    assert_eq!((&revenue["n"], &revenue["control_n"]), (&5.into(), &5.into()), "what it shows is corrected");
    lab.measure("2026-09-20");
    let last = lab.shown("looks");
    assert_eq!(
        (&last["method"]["look"]["number"], &last["method"]["look"]["is_final"]),
        (&2.into(), &true.into())
    );
    assert_eq!(last["plan"]["looks"]["taken"][0]["at"], first["method"]["look"]["at"], "{last}");
}
