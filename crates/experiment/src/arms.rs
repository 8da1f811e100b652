//! From values per unit to arms.

use std::borrow::Cow;

use arrow::buffer::BooleanBuffer;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tranche_metric::Values;
use tranche_stats::{
    Arm, CoMoments, Lack, Moments, Outcome, OutcomeColumns, Proportion, QuantileSummary, StratumRows, VarianceMethod,
    arms_of_rows, quantile_rows,
};

use crate::clusters::Clusters;
use crate::strata::{Strata, StrataNote};

/// The values of one metric per unit, and what its estimates take into account.
#[derive(Debug, Clone)]
pub(crate) struct Outcomes<'a> {
    pub(crate) after: Values<'a>,
    /// The units that count for the metric; all do when `None`.
    pub(crate) counted: Option<&'a BooleanBuffer>,
    /// What is taken out: columns of values before exposure, by name.
    pub(crate) covariates: Vec<(&'a str, &'a [f64])>,
    /// In what units were randomised, where that is not the unit itself.
    pub(crate) clusters: Option<&'a Clusters>,
    /// What units are weighed by.
    pub(crate) strata: Option<&'a Strata>,
    pub(crate) variance: VarianceMethod,
    /// Whether values are 1 or 0, so that successes can be counted.
    pub(crate) is_share: bool,
}

/// Control and a treatment.
#[derive(Debug, Clone)]
pub(crate) struct Arms {
    pub(crate) control: Arm,
    pub(crate) treatment: Arm,
    /// How many units count for the metric in control and in the treatment.
    pub(crate) units: [u64; 2],
    /// The successes of both, where values are 1 or 0.
    pub(crate) shares: Option<[Proportion; 2]>,
    pub(crate) basis: Basis,
}

/// What an estimate rests on besides its units.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// The treatment's clusters, where these were randomised.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clusters: Option<u64>,
    /// Control's clusters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub control_clusters: Option<u64>,
    /// The slope on each covariate that was taken out, by its metric.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub cuped_thetas: IndexMap<String, f64>,
    /// The strata that were weighed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub strata: Option<StrataNote>,
    /// `bootstrap` where variances are not by a formula.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub variance: Option<String>,
}

impl<'a> Outcomes<'a> {
    /// Values with nothing to take into account.
    pub(crate) fn plain(after: Values<'a>) -> Self {
        let (covariates, variance) = (Vec::new(), VarianceMethod::Formula);
        Self { after, counted: None, covariates, clusters: None, strata: None, variance, is_share: false }
    }

    /// The units of two arms, given by their places among all units.
    pub(crate) fn arms(&self, control: &[usize], treatment: &[usize]) -> Arms {
        let (control, treatment) = (&*self.counted(control), &*self.counted(treatment));
        let units = [control.len() as u64, treatment.len() as u64];
        let shares = match self.after {
            Values::Single(values) if self.is_share => Some([control, treatment].map(|units| successes(values, units))),
            _ => None,
        };
        let is_plain = self.covariates.is_empty() && self.clusters.is_none() && self.strata.is_none();
        if is_plain && self.variance == VarianceMethod::Formula {
            let (control, treatment) = (plain_arm(self.after, control), plain_arm(self.after, treatment));
            return Arms { control, treatment, units, shares, basis: Basis::default() };
        }
        match self.columns(control, treatment) {
            Ok(columns) => self.estimated(control, treatment, &columns, shares),
            // A quantile without a variance of its own.
            Err([control, treatment]) => Arms { control, treatment, units, shares, basis: Basis::default() },
        }
    }

    fn estimated(&self, control: &[usize], treatment: &[usize], columns: &Columns<'_>, shares: Option<[Proportion; 2]>) -> Arms {
        let units = [control.len() as u64, treatment.len() as u64];
        let outcomes = match (self.clusters, &columns.below) {
            (Some(_), _) => OutcomeColumns::Clusters,
            (None, None) => OutcomeColumns::Mean,
            (None, Some(_)) => OutcomeColumns::Ratio,
        };
        let width = outcomes.columns() + self.covariates.len();
        let split = match self.strata {
            Some(strata) => strata.split(control, treatment),
            None => vec![[control.to_vec(), treatment.to_vec()]],
        };
        let rows: Vec<StratumRows> = split
            .iter()
            .map(|[control, treatment]| StratumRows {
                control: self.rows(control, columns, width),
                treatment: self.rows(treatment, columns, width),
            })
            .collect();
        let found = match arms_of_rows(&rows, width, outcomes, self.variance) {
            Outcome::Defined(found) => found,
            // Rows have the columns of their outcome, and replicates were counted when the definition was read.
            Outcome::Undefined(_) => {
                let lost = |n: usize| Arm { variance: Err(Lack::NotFinite), ..Arm::new(n as u64, 0.0, 1.0) };
                let (control, treatment) = (lost(control.len()), lost(treatment.len()));
                return Arms { control, treatment, units, shares, basis: Basis::default() };
            }
        };
        let basis = Basis {
            clusters: self.clusters.map(|clusters| clusters.distinct(treatment.iter().copied())),
            control_clusters: self.clusters.map(|clusters| clusters.distinct(control.iter().copied())),
            cuped_thetas: self.covariates.iter().map(|(name, _)| (*name).to_owned()).zip(found.thetas).collect(),
            strata: self.strata.map(|_| StrataNote { weighed: found.strata as u64, pooled: found.pooled as u64 }),
            variance: matches!(self.variance, VarianceMethod::Bootstrap { .. }).then(|| "bootstrap".to_owned()),
        };
        Arms { control: found.control, treatment: found.treatment, units, shares, basis }
    }

    /// Those of some units that count for the metric.
    fn counted<'u>(&self, units: &'u [usize]) -> Cow<'u, [usize]> {
        match self.counted {
            None => Cow::Borrowed(units),
            Some(counted) => units.iter().copied().filter(|&unit| counted.value(unit)).collect(),
        }
    }

    /// What is above the line for each unit, and below it where the metric is a ratio. A quantile is linearised in each arm; where it
    /// has no variance there, these are the arms.
    fn columns(&self, control: &[usize], treatment: &[usize]) -> Result<Columns<'a>, [Arm; 2]> {
        match self.after {
            Values::Single(above) => Ok(Columns { above: Cow::Borrowed(above), below: None }),
            Values::Ratio(above, below) => Ok(Columns { above: Cow::Borrowed(above), below: Some(Cow::Borrowed(below)) }),
            Values::Quantile(..) | Values::EventQuantile(..) => {
                let arms = [plain_arm(self.after, control), plain_arm(self.after, treatment)];
                let length = control.iter().chain(treatment).max().map_or(0, |last| last + 1);
                let (mut above, mut below) = (vec![0.0; length], vec![0.0; length]);
                for (units, arm) in [control, treatment].into_iter().zip(&arms) {
                    let rows = match self.after {
                        Values::EventQuantile(events, _) => quantile_rows(arm, units.iter().map(|&unit| events.of_unit(unit))),
                        Values::Quantile(values, _) => {
                            quantile_rows(arm, units.iter().map(|&unit| std::slice::from_ref(&values[unit])))
                        }
                        _ => None,
                    };
                    let Some(rows) = rows else { return Err(arms) };
                    for (&unit, [value, count]) in units.iter().zip(rows) {
                        (above[unit], below[unit]) = (value, count);
                    }
                }
                Ok(Columns { above: Cow::Owned(above), below: Some(Cow::Owned(below)) })
            }
        }
    }

    /// Rows of `width` numbers, one after the other: of each unit, or of each cluster.
    fn rows(&self, units: &[usize], columns: &Columns<'_>, width: usize) -> Vec<f64> {
        let known = |unit: usize| self.covariates.iter().map(move |(_, values)| values[unit]);
        let Some(clusters) = self.clusters else {
            let mut rows = Vec::with_capacity(width * units.len());
            for &unit in units {
                rows.push(columns.above[unit]);
                rows.extend(columns.below.as_ref().map(|below| below[unit]));
                rows.extend(known(unit));
            }
            return rows;
        };
        let (places, count) = clusters.places(units);
        let mut rows = vec![0.0; width * count];
        for (&unit, place) in units.iter().zip(places) {
            let below = columns.below.as_ref().map_or(1.0, |below| below[unit]);
            let row = [columns.above[unit], below, 1.0].into_iter().chain(known(unit));
            rows[width * place..].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        rows
    }
}

/// The values of each unit above and below the line.
struct Columns<'a> {
    above: Cow<'a, [f64]>,
    below: Option<Cow<'a, [f64]>>,
}

/// The arm of some units, as they are.
pub(crate) fn plain_arm(values: Values<'_>, units: &[usize]) -> Arm {
    match values {
        Values::Single(values) => Arm::mean(&Moments::from_values(units.iter().map(|&unit| values[unit]))),
        Values::Ratio(above, below) => Arm::ratio(&CoMoments::from_pairs(units.iter().map(|&unit| (above[unit], below[unit])))),
        Values::Quantile(values, level) => {
            Arm::quantile(&QuantileSummary::of_values(units.iter().map(|&unit| values[unit]).collect(), level))
        }
        Values::EventQuantile(events, level) => Arm::clustered_quantile(units.iter().map(|&unit| events.of_unit(unit)), level),
    }
}

fn successes(values: &[f64], units: &[usize]) -> Proportion {
    Proportion::from_counts(units.len() as u64, units.iter().filter(|&&unit| values[unit] > 0.0).count() as u64)
}

#[cfg(test)]
#[path = "arms_tests.rs"]
mod tests;
