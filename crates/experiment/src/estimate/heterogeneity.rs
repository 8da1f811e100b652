//! Heterogeneity: tests of whether an effect differs between segments, and each segment's pooled effect.

use tranche_scorecard::{HeterogeneityRow, MetricRole, SegmentContrast};
use tranche_segment::{EVERYONE, Pattern};
use tranche_stats::{
    BetweenVariance, Options, SegmentEffect, adjusted, against_the_rest, compare, heterogeneity,
};

use super::arms::Arms;
use super::estimates::Compared;
use super::inputs::MetricInputs;
use crate::units::cells::{SegmentIndex, Side};
use crate::units::collect::UnitData;

/// The units that are not in a segment.
const REST: &str = "(rest)";

/// The tests of one metric: one for each entry of `segments:` and each treatment. `compared` are its
/// estimates.
pub(super) fn rows(
    data: &UnitData<'_>,
    inputs: &MetricInputs<'_>,
    compared: &[Compared],
) -> Vec<HeterogeneityRow> {
    let experiment = data.observed.experiment;
    let patterns = experiment.segments.iter().map(|written| written.value.as_str());
    let mut rows = Vec::new();
    for pattern in patterns.filter(|name| *name != EVERYONE) {
        for variant in experiment.treatments() {
            rows.extend(row(pattern, variant, inputs, &groups(data, inputs, compared, (pattern, variant))));
        }
    }
    rows
}

/// The arms of each group of units; no unit is in two of them.
fn groups(
    data: &UnitData<'_>,
    inputs: &MetricInputs<'_>,
    compared: &[Compared],
    (pattern, variant): (&str, &str),
) -> Vec<(String, Arms)> {
    let is_own =
        |one: &&Compared| one.row.variant == variant && Pattern::parse(pattern).covers(&one.row.segment);
    let mut groups: Vec<(String, Arms)> =
        compared.iter().filter(is_own).map(|one| (one.row.segment.clone(), one.arms.clone())).collect();
    let first =
        groups.first().and_then(|(segment, _)| data.divided.segments.get_index_of(segment)).map(SegmentIndex);
    if let (false, Some(place)) = (Pattern::parse(pattern).is_set(), first) {
        let experiment = data.observed.experiment;
        let rest = |variant: &str| data.divided.cells.group(Side::Out(place), experiment.index_of(variant));
        let arms = inputs.outcomes.arms(&rest(&experiment.control), &rest(variant));
        groups.push((REST.to_owned(), arms));
    }
    groups
}

fn row(
    pattern: &str,
    variant: &str,
    inputs: &MetricInputs<'_>,
    groups: &[(String, Arms)],
) -> Option<HeterogeneityRow> {
    let effect = |(name, arms): &(String, Arms)| {
        let estimate = compare(&arms.control, &arms.treatment, &Options::default()).absolute.value()?;
        Some((name.clone(), SegmentEffect { effect: estimate.effect, se: estimate.se }))
    };
    let (names, effects): (Vec<String>, Vec<SegmentEffect>) = groups.iter().filter_map(effect).unzip();
    let found = heterogeneity(&effects, BetweenVariance::default()).value()?;
    let contrasts = against_the_rest(&effects).value()?;
    let segments = names.into_iter().zip(&effects).zip(contrasts).zip(&found.shrunken);
    Some(HeterogeneityRow {
        set: pattern.to_owned(),
        metric: inputs.choice.metric.value.clone(),
        role: inputs.choice.role,
        variant: variant.to_owned(),
        q: found.q,
        degrees_of_freedom: found.degrees_of_freedom,
        p: found.p,
        p_adjusted: None,
        i_squared: found.i_squared,
        tau_squared: found.tau_squared,
        segments: segments
            .map(|(((segment, own), contrast), pooled)| SegmentContrast {
                segment,
                effect: own.effect,
                se: own.se,
                difference: contrast.difference,
                difference_se: contrast.se,
                p: contrast.p,
                pooled_effect: pooled.effect,
                pooled_se: pooled.se,
            })
            .collect(),
    })
}

/// Adjusts the p-values of each role's tests between segments.
pub(crate) fn adjust(rows: &mut [HeterogeneityRow], method: tranche_stats::Adjustment) {
    if method == tranche_stats::Adjustment::None {
        return;
    }
    for role in MetricRole::ALL {
        let family: Vec<&mut HeterogeneityRow> = rows.iter_mut().filter(|row| row.role == role).collect();
        let p: Vec<f64> = family.iter().map(|row| row.p).collect();
        for (row, p) in family.into_iter().zip(adjusted(&p, method)) {
            row.p_adjusted = Some(p);
        }
    }
}
