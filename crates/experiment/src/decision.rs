//! The decision on a result, by the rule that its author declared.

use tranche_scorecard::{Conclusion, Decision, EstimateRow, MetricRole, VariantDecision};

use crate::definition::spec::{AtEndSpec, DecisionSpec, GoalsSpec, GuardrailsSpec, HarmSpec};
use crate::units::status::Stage;

/// What a decision is made from.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    /// The treatments.
    pub(crate) treatments: Vec<&'a str>,
    /// The estimates for everyone.
    pub(crate) everyone: Vec<&'a EstimateRow>,
    /// What the checks of the data that failed found.
    pub(crate) failed: Vec<String>,
    /// The chance of a false alarm.
    pub(crate) alpha: f64,
    /// Where the plan stands.
    pub(crate) stage: Stage,
}

/// Applies the rule, if there is one.
pub(crate) fn decide(rule: Option<&DecisionSpec>, evidence: &Evidence<'_>) -> Decision {
    if !evidence.failed.is_empty() {
        return Decision {
            action: "investigate".to_owned(),
            reasons: evidence.failed.clone(),
            variants: Vec::new(),
        };
    }
    let Some(rule) = rule else {
        let reasons = vec!["no decision rule is declared".to_owned()];
        return Decision { action: "undecided".to_owned(), reasons, variants: Vec::new() };
    };
    if let Stage::Closed(why) = &evidence.stage {
        return Decision { action: "continue".to_owned(), reasons: vec![why.clone()], variants: Vec::new() };
    }
    let variants: Vec<VariantDecision> =
        evidence.treatments.iter().map(|variant| of_variant(rule, variant, evidence)).collect();
    let has = |action: &str| variants.iter().any(|one| one.action == action);
    let action = ["ship", "continue", "undecided"].into_iter().find(|action| has(action)).unwrap_or("stop");
    let reasons =
        variants.iter().filter(|one| one.action == action).flat_map(|one| one.reasons.clone()).collect();
    Decision { action: action.to_owned(), reasons, variants }
}

fn of_variant(rule: &DecisionSpec, variant: &str, evidence: &Evidence<'_>) -> VariantDecision {
    let of = |role| -> Vec<&EstimateRow> {
        evidence.everyone.iter().copied().filter(|row| row.role == role && row.variant == variant).collect()
    };
    let (goals, guardrails) = (of(MetricRole::Goal), of(MetricRole::Guardrail));
    let decided = |action: &str, reasons: Vec<String>| VariantDecision {
        variant: variant.to_owned(),
        action: action.to_owned(),
        reasons: reasons.into_iter().map(|reason| format!("{variant}: {reason}")).collect(),
    };
    let watched: Vec<&EstimateRow> = match rule.stop {
        HarmSpec::Any => goals.iter().chain(&guardrails).copied().collect(),
        HarmSpec::Guardrail => guardrails.clone(),
        HarmSpec::Never => Vec::new(),
    };
    let harms: Vec<String> =
        watched.into_iter().filter(|row| is_worse(row)).map(|row| sentence(row, evidence.alpha)).collect();
    if !harms.is_empty() {
        return decided("stop", harms);
    }
    let better = goals.iter().filter(|row| row.conclusion == Some(Conclusion::Better)).count();
    let goals_hold = match rule.ship.goals {
        GoalsSpec::All => better > 0 && better == goals.len(),
        GoalsSpec::Any => better > 0 && !goals.iter().any(|row| is_worse(row)),
    };
    let guardrail_holds = |row: &EstimateRow| match rule.ship.guardrails {
        GuardrailsSpec::NonInferior => row.non_inferiority.as_ref().is_some_and(|test| test.holds),
        GuardrailsSpec::NotHarmed => !is_worse(row),
    };
    let mut reasons: Vec<String> = goals.iter().map(|row| sentence(row, evidence.alpha)).collect();
    reasons.extend(guardrails.iter().map(|row| match rule.ship.guardrails {
        GuardrailsSpec::NonInferior => margin_sentence(row),
        GuardrailsSpec::NotHarmed => sentence(row, evidence.alpha),
    }));
    if goals_hold && guardrails.iter().all(|row| guardrail_holds(row)) {
        return decided("ship", reasons);
    }
    match &evidence.stage {
        Stage::Open(end) => {
            reasons.push(end.clone());
            decided("continue", reasons)
        }
        Stage::Closed(_) | Stage::Ended => {
            reasons.push("the plan is at its end".to_owned());
            decided(if rule.at_end == AtEndSpec::Stop { "stop" } else { "undecided" }, reasons)
        }
    }
}

fn is_worse(row: &EstimateRow) -> bool {
    row.conclusion == Some(Conclusion::Worse)
}

/// "orders is better (p = 0.0012, alpha 0.05)".
fn sentence(row: &EstimateRow, alpha: f64) -> String {
    let state = match row.conclusion {
        Some(Conclusion::Better) => "is better",
        Some(Conclusion::Worse) => "is worse",
        Some(Conclusion::Unclear) => "shows no clear effect",
        None => {
            return format!(
                "{} cannot be judged: {}",
                row.metric,
                row.undefined.as_deref().unwrap_or("there is no effect")
            );
        }
    };
    let effect = row.absolute.effect();
    let p = match effect.map(|effect| (effect.p_adjusted, effect.p)) {
        Some((Some(p), _)) => format!("adjusted {}", p_value(p)),
        Some((None, Some(p))) => p_value(p),
        Some((None, None)) | None => "no p-value".to_owned(),
    };
    format!("{} {state} ({p}, alpha {alpha})", row.metric)
}

/// "unsubscribes is not worse by its margin (p = 0.0003)".
fn margin_sentence(row: &EstimateRow) -> String {
    let Some(test) = &row.non_inferiority else { return format!("{} has no margin", row.metric) };
    match (test.p, test.holds) {
        (None, _) => {
            format!(
                "{} cannot be judged: {}",
                row.metric,
                test.undefined.as_deref().unwrap_or("there is no effect")
            )
        }
        (Some(p), true) => format!("{} is not worse by its margin ({})", row.metric, p_value(p)),
        (Some(p), false) => format!("{} may be worse by its margin ({})", row.metric, p_value(p)),
    }
}

/// "p = 0.0012"; what four decimals do not show is less than the least that they do.
fn p_value(p: f64) -> String {
    if p < 0.0001 { "p < 0.0001".to_owned() } else { format!("p = {p:.4}") }
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
