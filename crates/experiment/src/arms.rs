//! From values per unit to arms.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tranche_metric::Values;
use tranche_stats::{
    Arm, CoMoments, Lack, Moments, Outcome, OutcomeColumns, Proportion, StratumRows, VarianceMethod, arms_of_rows,
};

use crate::clusters::Clusters;
use crate::strata::{Strata, StrataNote};

/// The values of one metric per unit, and what its estimates take into account.
#[derive(Debug, Clone)]
pub(crate) struct Outcomes<'a> {
    pub(crate) after: Values<'a>,
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
        Self { after, covariates, clusters: None, strata: None, variance, is_share: false }
    }

    /// The units of two arms, given by their places among all units.
    pub(crate) fn arms(&self, control: &[usize], treatment: &[usize]) -> Arms {
        let shares = match self.after {
            Values::Single(values) if self.is_share => Some([control, treatment].map(|units| successes(values, units))),
            _ => None,
        };
        let is_plain = self.covariates.is_empty() && self.clusters.is_none() && self.strata.is_none();
        if is_plain && self.variance == VarianceMethod::Formula {
            let (control, treatment) = (plain_arm(self.after, control), plain_arm(self.after, treatment));
            return Arms { control, treatment, shares, basis: Basis::default() };
        }
        let (columns, outcomes) = self.columns();
        let split = match self.strata {
            Some(strata) => strata.split(control, treatment),
            None => vec![[control.to_vec(), treatment.to_vec()]],
        };
        let rows: Vec<StratumRows> = split
            .iter()
            .map(|[control, treatment]| StratumRows { control: self.rows(control), treatment: self.rows(treatment) })
            .collect();
        let found = match arms_of_rows(&rows, columns, outcomes, self.variance) {
            Outcome::Defined(found) => found,
            // Rows have the columns of their outcome, and replicates were counted when the definition was read.
            Outcome::Undefined(_) => {
                let lost = |n: usize| Arm { variance: Err(Lack::NotFinite), ..Arm::new(n as u64, 0.0, 1.0) };
                let (control, treatment) = (lost(control.len()), lost(treatment.len()));
                return Arms { control, treatment, shares, basis: Basis::default() };
            }
        };
        let basis = Basis {
            clusters: self.clusters.map(|clusters| clusters.distinct(treatment.iter().copied())),
            control_clusters: self.clusters.map(|clusters| clusters.distinct(control.iter().copied())),
            cuped_thetas: self.covariates.iter().map(|(name, _)| (*name).to_owned()).zip(found.thetas).collect(),
            strata: self.strata.map(|_| StrataNote { weighed: found.strata as u64, pooled: found.pooled as u64 }),
            variance: matches!(self.variance, VarianceMethod::Bootstrap { .. }).then(|| "bootstrap".to_owned()),
        };
        Arms { control: found.control, treatment: found.treatment, shares, basis }
    }

    /// How many numbers a row has, and what the first of them are.
    fn columns(&self) -> (usize, OutcomeColumns) {
        let outcomes = match (self.clusters, self.after) {
            (Some(_), _) => OutcomeColumns::Clusters,
            (None, Values::Single(_)) => OutcomeColumns::Mean,
            (None, Values::Ratio(..)) => OutcomeColumns::Ratio,
        };
        (outcomes.columns() + self.covariates.len(), outcomes)
    }

    /// One row after the other: of each unit, or of each cluster.
    fn rows(&self, units: &[usize]) -> Vec<f64> {
        let (columns, _) = self.columns();
        let known = |unit: usize| self.covariates.iter().map(move |(_, values)| values[unit]);
        let Some(clusters) = self.clusters else {
            let mut rows = Vec::with_capacity(columns * units.len());
            for &unit in units {
                match self.after {
                    Values::Single(values) => rows.push(values[unit]),
                    Values::Ratio(above, below) => rows.extend([above[unit], below[unit]]),
                }
                rows.extend(known(unit));
            }
            return rows;
        };
        let (places, count) = clusters.places(units);
        let mut rows = vec![0.0; columns * count];
        for (&unit, place) in units.iter().zip(places) {
            let (above, below) = match self.after {
                Values::Single(values) => (values[unit], 1.0),
                Values::Ratio(above, below) => (above[unit], below[unit]),
            };
            let row = [above, below, 1.0].into_iter().chain(known(unit));
            rows[columns * place..].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        rows
    }
}

/// The arm of some units, as they are.
pub(crate) fn plain_arm(values: Values<'_>, units: &[usize]) -> Arm {
    match values {
        Values::Single(values) => Arm::mean(&Moments::from_values(units.iter().map(|&unit| values[unit]))),
        Values::Ratio(above, below) => Arm::ratio(&CoMoments::from_pairs(units.iter().map(|&unit| (above[unit], below[unit])))),
    }
}

fn successes(values: &[f64], units: &[usize]) -> Proportion {
    Proportion::from_counts(units.len() as u64, units.iter().filter(|&&unit| values[unit] > 0.0).count() as u64)
}

#[cfg(test)]
#[path = "arms_tests.rs"]
mod tests;
