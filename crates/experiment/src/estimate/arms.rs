//! From values per unit to arms.

use std::borrow::Cow;

use arrow::buffer::BooleanBuffer;
use indexmap::IndexMap;
use tranche_metric::Values;
use tranche_scorecard::{Basis, StrataNote};
use tranche_stats::{
    Arm, CoMomentMatrix, CoMoments, Moments, OutcomeColumns, Proportion, QuantileSummary, StratumRows,
    UndefinedReason, VarianceMethod, adjust_for_covariates, arms_of_rows, quantile_rows,
};

use crate::units::cells::{Cells, Group};
use crate::units::clusters::Clusters;
use crate::units::strata::Strata;

/// The values of one metric per unit, and what its estimates take into account; with their moments where
/// these say all.
#[derive(Debug, Clone)]
pub(crate) struct Outcomes<'a> {
    after: Values<'a>,
    adjustments: Adjustments<'a>,
    cells: &'a Cells,
    /// A unit that is as if it were not there.
    left_out: Option<usize>,
    summed: Summed,
}

/// What estimates take into account besides the values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Adjustments<'a> {
    /// The units that count for the metric; all do when `None`.
    pub(crate) counted: Option<&'a BooleanBuffer>,
    /// What is taken out: columns of values before exposure, by name.
    pub(crate) covariates: Vec<(&'a str, &'a [f64])>,
    /// In what units were randomised, where that is not the unit itself.
    pub(crate) clusters: Option<&'a Clusters>,
    /// What units are weighed by.
    pub(crate) strata: Option<&'a Strata>,
    pub(crate) variance: VarianceMethod,
    /// Whether values are 1 or 0, and the 1 are to be counted.
    pub(crate) successes: bool,
}

/// The values summed up by cell.
#[derive(Debug, Clone)]
enum Summed {
    /// The outcome with 0, or numerator and denominator.
    Pairs(Vec<CoMoments>),
    /// The outcome's columns and the covariates.
    Rows(Vec<CoMomentMatrix>),
    /// The estimate depends on more than moments of cells.
    Not,
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

impl<'a> Outcomes<'a> {
    /// Sums up the values of units that are in `cells`.
    pub(crate) fn new(after: Values<'a>, adjustments: Adjustments<'a>, cells: &'a Cells) -> Self {
        let mut outcomes = Self { after, adjustments, cells, left_out: None, summed: Summed::Not };
        outcomes.summed =
            outcomes.sum_up(cells.len(), cells.of_units().enumerate().map(|(unit, cell)| (cell, unit)));
        outcomes
    }

    /// The moments of the units in each of `cells`, from pairs of cell and unit.
    fn sum_up(&self, cells: usize, units: impl Iterator<Item = (usize, usize)> + Clone) -> Summed {
        let (above, below) = match self.after {
            Values::Single(above) => (above, None),
            Values::Ratio(above, below) => (above, Some(below)),
            Values::Quantile(..) | Values::EventQuantile(..) => return Summed::Not,
        };
        let Adjustments { covariates, clusters, strata, variance, successes, .. } = &self.adjustments;
        if clusters.is_some() || strata.is_some() || *variance != VarianceMethod::Formula || *successes {
            return Summed::Not;
        }
        let units = units.filter(|(_, unit)| self.counts(*unit));
        if covariates.is_empty() {
            let pair =
                |(cell, unit): (usize, usize)| (cell, above[unit], below.map_or(0.0, |below| below[unit]));
            return Summed::Pairs(CoMoments::of_groups(cells, units.map(pair)));
        }
        let columns = std::iter::once(above).chain(below).chain(covariates.iter().map(|(_, values)| *values));
        Summed::Rows(CoMomentMatrix::of_groups(cells, units, &columns.collect::<Vec<_>>()))
    }

    /// The same without a unit.
    pub(crate) fn without(&self, unit: usize) -> Self {
        let mut others = Self { left_out: Some(unit), ..self.clone() };
        let Some(cell) = self.cells.of_units().nth(unit) else { return others };
        // The moments of its cell alone are others.
        let of_cell =
            self.cells.of_units().enumerate().filter(|(_, other)| *other == cell).map(|(unit, _)| (0, unit));
        let summed = others.sum_up(1, of_cell);
        match (&mut others.summed, summed) {
            (Summed::Pairs(moments), Summed::Pairs(own)) => moments.splice(cell..=cell, own).for_each(drop),
            (Summed::Rows(moments), Summed::Rows(own)) => moments.splice(cell..=cell, own).for_each(drop),
            _ => {}
        }
        others
    }

    /// The same values of units in other cells.
    pub(crate) fn over<'b>(&self, cells: &'b Cells) -> Outcomes<'b>
    where
        'a: 'b,
    {
        Outcomes::new(self.after, self.adjustments.clone(), cells)
    }

    /// Other values after exposure of the same units.
    pub(crate) fn with_values<'b>(&self, values: &'b [f64]) -> Outcomes<'b>
    where
        'a: 'b,
    {
        Outcomes::new(Values::Single(values), self.adjustments.clone(), self.cells)
    }

    /// The values after exposure.
    pub(crate) fn values(&self) -> Values<'a> {
        self.after
    }

    /// Two groups as arms.
    pub(crate) fn arms(&self, control: &Group, treatment: &Group) -> Arms {
        match &self.summed {
            Summed::Pairs(moments) => {
                let pairs = [control, treatment].map(|group| {
                    group.cells().fold(CoMoments::default(), |sum, cell| sum.merge(&moments[cell]))
                });
                let [control, treatment] = pairs.map(|pairs| match self.after {
                    Values::Ratio(..) => Arm::ratio(&pairs),
                    _ => Arm::mean(&pairs.x()),
                });
                Arms {
                    control,
                    treatment,
                    units: [control.n, treatment.n],
                    shares: None,
                    basis: Basis::default(),
                }
            }
            Summed::Rows(moments) => {
                let merged = |group: &Group| {
                    let mut cells = group.cells().map(|cell| &moments[cell]);
                    let width = moments.first().map_or(0, CoMomentMatrix::columns);
                    cells.try_fold(CoMomentMatrix::new(width), |sum, cell| sum.merge(cell).value())
                };
                let outcomes = match self.after {
                    Values::Ratio(..) => OutcomeColumns::Ratio,
                    _ => OutcomeColumns::Mean,
                };
                let pair = merged(control).zip(merged(treatment));
                match pair.and_then(|(control, treatment)| {
                    adjust_for_covariates(&control, &treatment, outcomes).value()
                }) {
                    Some(found) => Arms {
                        units: [found.control.n, found.treatment.n],
                        control: found.control,
                        treatment: found.treatment,
                        shares: None,
                        basis: Basis { cuped_thetas: self.named(found.thetas), ..Basis::default() },
                    },
                    // All rows have the same columns, and those of their outcome.
                    None => lost([control, treatment].map(|group| self.units(group).len())),
                }
            }
            Summed::Not => self.arms_of_units(&self.units(control), &self.units(treatment)),
        }
    }

    /// Two arms of units that count, given by their places among all units.
    pub(crate) fn arms_of_units(&self, control: &[usize], treatment: &[usize]) -> Arms {
        let Adjustments { covariates, clusters, strata, variance, successes: count, .. } = &self.adjustments;
        let units = [control.len() as u64, treatment.len() as u64];
        let shares = match self.after {
            Values::Single(values) if *count => {
                Some([control, treatment].map(|units| successes(values, units)))
            }
            _ => None,
        };
        let is_plain = covariates.is_empty() && clusters.is_none() && strata.is_none();
        if is_plain && *variance == VarianceMethod::Formula {
            let (control, treatment) = (arm(self.after, control), arm(self.after, treatment));
            return Arms { control, treatment, units, shares, basis: Basis::default() };
        }
        match self.columns(control, treatment) {
            Ok(columns) => Arms { shares, ..self.estimated(control, treatment, &columns) },
            // A quantile without a variance of its own.
            Err([control, treatment]) => Arms { control, treatment, units, shares, basis: Basis::default() },
        }
    }

    /// The units of a group that count for the metric.
    pub(crate) fn units(&self, group: &Group) -> Vec<usize> {
        self.select(group, |unit| unit)
    }

    /// What there is of each of these units.
    pub(crate) fn select<T: Copy + Default>(&self, group: &Group, of: impl Fn(usize) -> T) -> Vec<T> {
        self.cells.select(group, |unit| self.counts(unit), of)
    }

    fn counts(&self, unit: usize) -> bool {
        self.adjustments.counted.is_none_or(|counted| counted.value(unit)) && self.left_out != Some(unit)
    }

    fn named(&self, thetas: Vec<f64>) -> IndexMap<String, f64> {
        self.adjustments.covariates.iter().map(|(name, _)| (*name).to_owned()).zip(thetas).collect()
    }

    fn estimated(&self, control: &[usize], treatment: &[usize], columns: &Columns<'_>) -> Arms {
        let Adjustments { covariates, clusters, strata, variance, .. } = &self.adjustments;
        let outcomes = match (clusters, &columns.below) {
            (Some(_), _) => OutcomeColumns::Clusters,
            (None, None) => OutcomeColumns::Mean,
            (None, Some(_)) => OutcomeColumns::Ratio,
        };
        let width = outcomes.columns() + covariates.len();
        let split = match strata {
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
        // Rows have the columns of their outcome, and replicates were counted when the definition was read.
        let Some(found) = arms_of_rows(&rows, width, outcomes, *variance).value() else {
            return lost([control.len(), treatment.len()]);
        };
        let basis = Basis {
            clusters: clusters.map(|clusters| clusters.distinct(treatment.iter().copied())),
            control_clusters: clusters.map(|clusters| clusters.distinct(control.iter().copied())),
            cuped_thetas: self.named(found.thetas),
            strata: strata.map(|_| StrataNote { weighed: found.strata as u64, pooled: found.pooled as u64 }),
            variance_method: matches!(variance, VarianceMethod::Bootstrap { .. })
                .then(|| "bootstrap".to_owned()),
        };
        let units = [control.len() as u64, treatment.len() as u64];
        Arms { control: found.control, treatment: found.treatment, units, shares: None, basis }
    }

    /// What is above the line for each unit, and below it where the metric is a ratio. A quantile is
    /// linearised in each arm; where it has no variance there, these are the arms.
    fn columns(&self, control: &[usize], treatment: &[usize]) -> Result<Columns<'a>, [Arm; 2]> {
        match self.after {
            Values::Single(above) => Ok(Columns { above: Cow::Borrowed(above), below: None }),
            Values::Ratio(above, below) => {
                Ok(Columns { above: Cow::Borrowed(above), below: Some(Cow::Borrowed(below)) })
            }
            Values::Quantile(..) | Values::EventQuantile(..) => {
                let arms = [arm(self.after, control), arm(self.after, treatment)];
                let length = control.iter().chain(treatment).max().map_or(0, |last| last + 1);
                let (mut above, mut below) = (vec![0.0; length], vec![0.0; length]);
                for (units, arm) in [control, treatment].into_iter().zip(&arms) {
                    let rows = match self.after {
                        Values::EventQuantile(events, _) => {
                            quantile_rows(arm, units.iter().map(|&unit| events.of_unit(unit)))
                        }
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
        let known = |unit: usize| self.adjustments.covariates.iter().map(move |(_, values)| values[unit]);
        let Some(clusters) = self.adjustments.clusters else {
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
pub(crate) fn arm(values: Values<'_>, units: &[usize]) -> Arm {
    match values {
        Values::Single(values) => Arm::mean(&Moments::from_values(units.iter().map(|&unit| values[unit]))),
        Values::Ratio(above, below) => {
            Arm::ratio(&CoMoments::from_pairs(units.iter().map(|&unit| (above[unit], below[unit]))))
        }
        Values::Quantile(values, level) => Arm::quantile(&QuantileSummary::of_values(
            units.iter().map(|&unit| values[unit]).collect(),
            level,
        )),
        Values::EventQuantile(events, level) => {
            Arm::clustered_quantile(units.iter().map(|&unit| events.of_unit(unit)), level)
        }
    }
}

/// Arms of which nothing can be said.
fn lost(units: [usize; 2]) -> Arms {
    let [control, treatment] =
        units.map(|n| Arm { variance: Err(UndefinedReason::NotFinite), ..Arm::new(n as u64, 0.0, 1.0) });
    Arms { control, treatment, units: units.map(|n| n as u64), shares: None, basis: Basis::default() }
}

fn successes(values: &[f64], units: &[usize]) -> Proportion {
    Proportion::from_counts(
        units.len() as u64,
        units.iter().filter(|&&unit| values[unit] > 0.0).count() as u64,
    )
}

#[cfg(test)]
#[path = "arms_tests.rs"]
mod tests;
