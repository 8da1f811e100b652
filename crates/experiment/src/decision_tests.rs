//! Rules against results: the first that applies decides.

use tranche_scorecard::{Effect, EffectOutcome, NonInferiority};

use super::*;

fn row(metric: &str, role: MetricRole, conclusion: Option<Conclusion>, holds: Option<bool>) -> EstimateRow {
    let row = EstimateRow {
        n: 10,
        mean: Some(1.0),
        control_n: 10,
        control_mean: Some(1.0),
        non_inferiority: holds.map(|holds| NonInferiority {
            margin: 0.1,
            scale: "absolute".to_owned(),
            bound: Some(-0.05),
            p: Some(if holds { 0.001 } else { 0.4 }),
            holds,
            undefined: None,
        }),
        conclusion,
        ..EstimateRow::undefined(metric, role, "all", "b", "the treatment arm has no units")
    };
    if conclusion.is_none() {
        return row;
    }
    let absolute = EffectOutcome::Effect(Effect { p: Some(0.01), ..Effect::of(0.5) });
    EstimateRow { absolute, undefined: None, ..row }
}

fn decided(rule: &DecisionSpec, rows: &[EstimateRow], stage: Stage) -> Decision {
    let everyone = rows.iter().collect();
    decide(Some(rule), &Evidence { treatments: vec!["b"], everyone, failed: Vec::new(), alpha: 0.05, stage })
}

fn open() -> Stage {
    Stage::Open("the plan ends tomorrow".to_owned())
}

#[test]
fn a_rule_is_applied_in_its_order() {
    use Conclusion::{Better, Unclear, Worse};
    let stopping = DecisionSpec { at_end: AtEndSpec::Stop, ..DecisionSpec::default() };
    let lenient = DecisionSpec { stop: HarmSpec::Never, ..DecisionSpec::default() };
    for (rule, goal, guardrail, holds, stage, action) in [
        (DecisionSpec::default(), Some(Better), Unclear, true, open(), "ship"),
        (DecisionSpec::default(), Some(Better), Unclear, true, Stage::Ended, "ship"),
        (DecisionSpec::default(), Some(Better), Unclear, false, open(), "continue"),
        (DecisionSpec::default(), Some(Better), Unclear, false, Stage::Ended, "undecided"),
        (DecisionSpec::default(), Some(Better), Worse, true, open(), "stop"),
        (DecisionSpec::default(), Some(Worse), Unclear, true, open(), "stop"),
        (lenient, Some(Worse), Unclear, true, open(), "continue"),
        (DecisionSpec::default(), Some(Unclear), Unclear, true, open(), "continue"),
        (stopping, Some(Unclear), Unclear, true, Stage::Ended, "stop"),
        (DecisionSpec::default(), None, Unclear, true, open(), "continue"),
        (
            DecisionSpec::default(),
            Some(Better),
            Unclear,
            true,
            Stage::Closed("one look".to_owned()),
            "continue",
        ),
    ] {
        let rows = [
            row("orders", MetricRole::Goal, goal, None),
            row("unsubscribes", MetricRole::Guardrail, Some(guardrail), Some(holds)),
        ];
        let found = decided(&rule, &rows, stage.clone());
        assert_eq!(found.action, action, "{rule:?} {goal:?} {guardrail:?} {holds} {stage:?}: {found:?}");
        assert!(!found.reasons.is_empty());
    }
}

#[test]
fn reasons_name_metric_and_p_value() {
    let rows = [
        row("orders", MetricRole::Goal, Some(Conclusion::Better), None),
        row("unsubscribes", MetricRole::Guardrail, Some(Conclusion::Unclear), Some(true)),
    ];
    let found = decided(&DecisionSpec::default(), &rows, open());
    let expected = [
        "b: orders is better (p = 0.0100, alpha 0.05)",
        "b: unsubscribes is not worse by its margin (p = 0.0010)",
    ];
    assert_eq!(found.reasons, expected);
    assert_eq!(found.variants[0].action, "ship");
}

#[test]
fn any_goal_is_enough_when_none_is_worse() {
    let mut rule = DecisionSpec { stop: HarmSpec::Guardrail, ..DecisionSpec::default() };
    (rule.ship.goals, rule.ship.guardrails) = (GoalsSpec::Any, GuardrailsSpec::NotHarmed);
    let with = |other| {
        let rows = [
            row("orders", MetricRole::Goal, Some(Conclusion::Better), None),
            row("revenue", MetricRole::Goal, Some(other), None),
        ];
        decided(&rule, &rows, open()).action
    };
    assert_eq!(with(Conclusion::Unclear), "ship");
    assert_eq!(with(Conclusion::Worse), "continue");
}

#[test]
fn a_failed_check_is_investigated_first_and_without_a_rule_nothing_is_decided() {
    let rows = [row("orders", MetricRole::Goal, Some(Conclusion::Better), None)];
    let evidence = |failed: &[&str]| Evidence {
        treatments: vec!["b"],
        everyone: rows.iter().collect(),
        failed: failed.iter().map(|&text| text.to_owned()).collect(),
        alpha: 0.05,
        stage: Stage::Ended,
    };
    for rule in [None, Some(DecisionSpec::default())] {
        let found = decide(rule.as_ref(), &evidence(&["units were not split as planned"]));
        assert_eq!((found.action.as_str(), found.reasons.len()), ("investigate", 1));
    }
    let found = decide(None, &evidence(&[]));
    assert_eq!(
        (found.action.as_str(), found.reasons),
        ("undecided", vec!["no decision rule is declared".to_owned()])
    );
}
