//! The audit of outliers: effects without the largest unit, and with values capped.

use tranche_metric::Values;
use tranche_scorecard::{Concentration, Effect, OutlierRow, Refit};

use super::analysis::Analysis;
use super::arms::{Arms, Outcomes};
use super::estimates::Compared;
use crate::units::cells::Group;

/// Values beyond this quantile of both arms are capped, to see how the effect changes.
const CAP_QUANTILE: f64 = 0.999;
/// The largest 0.1 % of the units: one of so many, rounded up.
const TOP: usize = 1000;

/// The audit of one comparison of two groups. `None` where there is no effect to look at.
pub(crate) fn audit(
    compared: &Compared,
    outcomes: &Outcomes<'_>,
    control: &str,
    groups: (&Group, &Group),
) -> Option<OutlierRow> {
    let row = &compared.row;
    // A quantile below the largest values does not feel them.
    let (Values::Single(values) | Values::Ratio(values, _)) = outcomes.values() else { return None };
    let [mut in_control, mut in_treatment] =
        [groups.0, groups.1].map(|group| outcomes.select(group, |unit| values[unit]));
    if in_control.iter().chain(&in_treatment).all(|value| *value == 0.0 || *value == 1.0) {
        return None;
    }
    let refit = |outcomes: &Outcomes<'_>| refit(&compared.analysis, &outcomes.arms(groups.0, groups.1));
    let as_is = self::refit(&compared.analysis, &compared.arms);
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

fn refit(analysis: &Analysis, arms: &Arms) -> Refit {
    let outcome = analysis.effects(arms, analysis.alpha).absolute;
    let conclusion = analysis.conclusion(arms, &outcome);
    Refit { absolute: outcome.effect().map(Effect::plain), conclusion }
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
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks of units"
)]
fn quantile(values: &mut [f64]) -> Option<f64> {
    let rank = CAP_QUANTILE * values.len().checked_sub(1)? as f64;
    let (_, low, above) = values.select_nth_unstable_by(rank as usize, f64::total_cmp);
    let next = above.iter().copied().fold(f64::INFINITY, f64::min);
    let part = rank.fract();
    Some(if part > 0.0 && next.is_finite() { *low + (next - *low) * part } else { *low })
}

#[cfg(test)]
#[path = "outliers_tests.rs"]
mod tests;
