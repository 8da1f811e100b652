//! How much of an effect is the work of a few units.

use serde::{Deserialize, Serialize};
use tranche_metric::Values;

use crate::arms::Arms;
use crate::arms::Outcomes;
use crate::cells::Group;
use crate::family::Measured;
use crate::question::Question;
use crate::result::{Conclusion, Effect, MetricRole};
use crate::trust::{Severity, TrustCheck, as_number};

/// Values beyond this quantile of both arms are capped to see what becomes of the effect.
const CAP_QUANTILE: f64 = 0.999;
/// The largest 0.1 % of the units: one of so many, rounded up.
const TOP: usize = 1000;
/// A change of sign counts when one unit moves the effect by more than this many standard errors: near zero any unit may turn it.
const LEAST_MOVE: f64 = 0.5;

/// What a few units do to the effect of a treatment on a metric, everyone taken together. Nothing here is adjusted for many tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutlierRow {
    /// The metric; of a ratio, its numerator is looked at.
    pub metric: String,
    /// Its role.
    pub role: MetricRole,
    /// The treatment.
    pub variant: String,
    /// How the total is spread over units: in control, then in the treatment.
    pub arms: Vec<Concentration>,
    /// The variant that the unit with the largest value of both arms is in.
    pub largest_in: String,
    /// The 99.9 % quantile of both arms; absent for ratios, and where it is not above 0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cap: Option<f64>,
    /// The effect as it is.
    pub as_is: Refit,
    /// The effect without the largest unit.
    pub without_largest: Refit,
    /// The effect with larger values counted as the quantile, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub capped: Option<Refit>,
}

/// How the total of an arm is spread over its units; of negative values their size counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Concentration {
    /// The variant.
    pub variant: String,
    /// Its units.
    pub n: u64,
    /// The sum of the sizes of all values.
    pub total: f64,
    /// The value that is largest in size.
    pub largest: f64,
    /// Its share of the total, 0 of nothing.
    pub largest_share: f64,
    /// How many units the largest 0.1 % are, rounded up.
    pub top_units: u64,
    /// Their share of the total.
    pub top_share: f64,
}

/// An effect from values that were changed or left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refit {
    /// The difference of means; none where it is undefined.
    pub absolute: Option<Effect>,
    /// What it means for the metric.
    pub conclusion: Option<Conclusion>,
}

/// The audit of one comparison of two groups. `None` where there is no effect to look at.
pub(crate) fn audit(
    measured: &Measured,
    outcomes: &Outcomes<'_>,
    control: &str,
    groups: (&Group, &Group),
) -> Option<OutlierRow> {
    let row = &measured.row;
    // A quantile below the largest values does not feel them.
    let (Values::Single(values) | Values::Ratio(values, _)) = outcomes.values() else { return None };
    let [mut in_control, mut in_treatment] =
        [groups.0, groups.1].map(|group| outcomes.select(group, |unit| values[unit]));
    if in_control.iter().chain(&in_treatment).all(|value| *value == 0.0 || *value == 1.0) {
        return None;
    }
    let refit = |outcomes: &Outcomes<'_>| refit(&measured.question, &outcomes.arms(groups.0, groups.1));
    let as_is = refit(outcomes);
    as_is.absolute.as_ref()?;
    let arms =
        vec![concentration(control, &mut in_control)?, concentration(&row.variant, &mut in_treatment)?];
    let is_of_control = arms[0].largest.abs() > arms[1].largest.abs();
    let (group, largest) =
        if is_of_control { (groups.0, arms[0].largest) } else { (groups.1, arms[1].largest) };
    let unit = outcomes.units(group).into_iter().rfind(|unit| values[*unit] == largest)?;
    let is_single = matches!(outcomes.values(), Values::Single(_));
    in_control.append(&mut in_treatment);
    let cap = quantile(&mut in_control).filter(|cap| is_single && *cap > 0.0);
    let capped = cap.map(|cap| {
        let capped: Vec<f64> = values.iter().map(|value| value.min(cap)).collect();
        refit(&outcomes.with_values(&capped))
    });
    Some(OutlierRow {
        metric: row.metric.clone(),
        role: row.role,
        variant: row.variant.clone(),
        arms,
        largest_in: if is_of_control { control.to_owned() } else { row.variant.clone() },
        cap,
        as_is,
        without_largest: refit(&outcomes.without(unit)),
        capped,
    })
}

/// Whether the sign or the conclusion hinges on the largest units.
pub(crate) fn check(row: &OutlierRow) -> TrustCheck {
    let OutlierRow { metric, variant, .. } = row;
    let largest = row.arms.iter().find(|arm| arm.variant == row.largest_in);
    let share = largest.map_or_else(String::new, |arm| {
        format!("{:.5}, {:.1} % of all in `{}`", arm.largest, 100.0 * arm.largest_share, arm.variant)
    });
    let without = format!("without the largest unit ({share}) it is {}", told(&row.without_largest));
    let capped = row
        .cap
        .zip(row.capped.as_ref())
        .map(|(cap, refit)| format!("with values capped at {cap:.5} it is {}", told(refit)));
    let by_one = hinges(&row.as_is, &row.without_largest);
    let by_cap = row.capped.as_ref().is_some_and(|capped| row.as_is.conclusion != capped.conclusion);
    let what = if by_one || by_cap { "hinges on a few units" } else { "does not hinge on a few units" };
    let refits: Vec<String> = std::iter::once(without).chain(capped).collect();
    let finding = format!(
        "the effect of `{variant}` on {metric} {what}: it is {}, {}",
        told(&row.as_is),
        refits.join(", ")
    );
    TrustCheck {
        severity: Severity::Warning,
        metric: Some(metric.clone()),
        variant: Some(variant.clone()),
        ..TrustCheck::new("outliers", !(by_one || by_cap), finding, ADVICE)
    }
}

const ADVICE: &str = "look at these units: bots, resellers, mistakes of logging; and give the metric a `cap:` by a value or a quantile \
                      before the next experiment, because a cap chosen after looking at the effect is no test any more";

/// Whether the conclusion is another, or the sign is and the effect moved by more than chance would explain.
fn hinges(as_is: &Refit, without: &Refit) -> bool {
    let Some((before, after)) = as_is.absolute.as_ref().zip(without.absolute.as_ref()) else { return true };
    let turns = before.effect * after.effect < 0.0;
    let moves = before.se.is_some_and(|se| (before.effect - after.effect).abs() > LEAST_MOVE * se);
    as_is.conclusion != without.conclusion || (turns && moves)
}

/// "1.25 (better)".
fn told(refit: &Refit) -> String {
    let conclusion = match refit.conclusion {
        Some(Conclusion::Better) => "better",
        Some(Conclusion::Worse) => "worse",
        Some(Conclusion::Unclear) => "unclear",
        None => "not to be judged",
    };
    let effect = refit.absolute.as_ref().map(|absolute| absolute.effect);
    effect.map_or_else(|| "undefined".to_owned(), |effect| format!("{effect:.5} ({conclusion})"))
}

fn refit(question: &Question, arms: &Arms) -> Refit {
    let answer = question.answer(arms, question.alpha).absolute;
    Refit { absolute: Effect::of(&answer), conclusion: question.conclusion(arms, &answer) }
}

/// How the values of an arm are spread; their order is another afterwards.
fn concentration(variant: &str, values: &mut [f64]) -> Option<Concentration> {
    let largest = values.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
    let sum = |values: &[f64]| values.iter().map(|value| value.abs()).sum::<f64>();
    let total = sum(values);
    let top = values.len().div_ceil(TOP);
    values.select_nth_unstable_by(top - 1, |a, b| b.abs().total_cmp(&a.abs()));
    let share = |part: f64| if total > 0.0 { part / total } else { 0.0 };
    Some(Concentration {
        variant: variant.to_owned(),
        n: values.len() as u64,
        total,
        largest,
        largest_share: share(largest.abs()),
        top_units: top as u64,
        top_share: share(sum(&values[..top])),
    })
}

/// The quantile, linear between the closest ranks, of values whose order is another afterwards.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ranks of units")]
fn quantile(values: &mut [f64]) -> Option<f64> {
    let rank = CAP_QUANTILE * as_number(values.len().checked_sub(1)? as u64);
    let (_, low, above) = values.select_nth_unstable_by(rank as usize, f64::total_cmp);
    let next = above.iter().copied().fold(f64::INFINITY, f64::min);
    let part = rank.fract();
    Some(if part > 0.0 && next.is_finite() { *low + (next - *low) * part } else { *low })
}

#[cfg(test)]
#[path = "outliers_tests.rs"]
mod tests;
