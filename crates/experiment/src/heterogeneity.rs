//! Whether an effect differs between segments, and what to expect of each of them.

use serde::{Deserialize, Serialize};
use tranche_segment::{EVERYONE, Pattern};
use tranche_stats::{
    BetweenVariance, Options, SegmentEffect, adjusted, against_the_rest, compare, heterogeneity,
};

use crate::arms::Outcomes;
use crate::cells::{Cells, Side};
use crate::experiment::{Experiment, MetricChoice};
use crate::result::MetricRole;
use crate::segments::{Membership, matches};

/// Everyone who is not in a segment.
const REST: &str = "(rest)";

/// Whether the effect on a metric differs between groups of units: the segments of a set, or a segment and the rest. One look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeterogeneityRow {
    /// The set, `lifecycle/*`, or the segment.
    pub set: String,
    /// The metric.
    pub metric: String,
    /// Its role.
    pub role: MetricRole,
    /// The treatment.
    pub variant: String,
    /// Cochran's Q.
    pub q: f64,
    /// Groups less one.
    pub degrees_of_freedom: u64,
    /// How probable such a Q is if the effect is the same in all groups.
    pub p: f64,
    /// The same, adjusted over all such tests of the role, where an adjustment is asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p_adjusted: Option<f64>,
    /// The share of the spread that chance does not explain.
    pub i_squared: f64,
    /// The variance of the true effects between groups, by `DerSimonian` and Laird.
    pub tau_squared: f64,
    /// Each group whose effect can be computed.
    pub segments: Vec<SegmentContrast>,
}

/// The effect in one group of units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentContrast {
    /// The segment; `(rest)` for everyone who is not in it.
    pub segment: String,
    /// The effect, absolute.
    pub effect: f64,
    /// Its standard error.
    pub se: f64,
    /// The effect less that in all other groups.
    pub difference: f64,
    /// The standard error of the difference.
    pub difference_se: f64,
    /// The p-value of "no difference".
    pub p: f64,
    /// The effect drawn towards the others by as much as they do not differ (partially pooled, empirical Bayes).
    pub pooled_effect: f64,
    /// Its standard error.
    pub pooled_se: f64,
}

/// What all tests between segments are made from.
pub(crate) struct Between<'a> {
    pub(crate) experiment: &'a Experiment,
    pub(crate) segments: &'a Membership,
    pub(crate) cells: &'a Cells,
}

impl Between<'_> {
    /// The tests of one metric: one for each entry of `segments:` and each treatment.
    pub(crate) fn rows(&self, choice: &MetricChoice, outcomes: &Outcomes<'_>) -> Vec<HeterogeneityRow> {
        let mut rows = Vec::new();
        for pattern in self
            .experiment
            .segments
            .iter()
            .map(|written| written.value.as_str())
            .filter(|name| *name != EVERYONE)
        {
            let sides = self.sides(pattern);
            for variant in self.experiment.treatments() {
                rows.extend(self.row(pattern, &sides, choice, variant, outcomes));
            }
        }
        rows
    }

    /// Sides without a common unit.
    fn sides(&self, pattern: &str) -> Vec<(String, Side)> {
        let own = self.segments.keys().enumerate().filter(|(_, name)| matches(pattern, name));
        let mut sides: Vec<(String, Side)> =
            own.map(|(place, name)| (name.clone(), Side::In(place))).collect();
        if let (false, Some((_, Side::In(place)))) = (Pattern::parse(pattern).is_set(), sides.first()) {
            sides.push((REST.to_owned(), Side::Out(*place)));
        }
        sides
    }

    fn row(
        &self,
        pattern: &str,
        sides: &[(String, Side)],
        choice: &MetricChoice,
        variant: &str,
        outcomes: &Outcomes<'_>,
    ) -> Option<HeterogeneityRow> {
        let effect = |(name, side): &(String, Side)| {
            let group = |variant: &str| {
                let variant = self.experiment.variants.get_index_of(variant).unwrap_or(usize::MAX);
                self.cells.group(*side, variant)
            };
            let arms = outcomes.arms(&group(&self.experiment.control), &group(variant));
            let estimate = compare(&arms.control, &arms.treatment, &Options::default()).absolute.value()?;
            Some((name.clone(), SegmentEffect { effect: estimate.effect, se: estimate.se }))
        };
        let (names, effects): (Vec<String>, Vec<SegmentEffect>) = sides.iter().filter_map(effect).unzip();
        let found = heterogeneity(&effects, BetweenVariance::default()).value()?;
        let contrasts = against_the_rest(&effects).value()?;
        let segments = names.into_iter().zip(&effects).zip(contrasts).zip(&found.shrunken);
        Some(HeterogeneityRow {
            set: pattern.to_owned(),
            metric: choice.metric.value.clone(),
            role: choice.role,
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
}

/// Adjusts the p-values of each role's tests between segments.
pub(crate) fn adjust(rows: &mut [HeterogeneityRow], method: tranche_stats::Adjustment) {
    if method == tranche_stats::Adjustment::None {
        return;
    }
    for role in [MetricRole::Goal, MetricRole::Secondary, MetricRole::Guardrail] {
        let family: Vec<&mut HeterogeneityRow> = rows.iter_mut().filter(|row| row.role == role).collect();
        let p: Vec<f64> = family.iter().map(|row| row.p).collect();
        for (row, p) in family.into_iter().zip(adjusted(&p, method)) {
            row.p_adjusted = Some(p);
        }
    }
}
