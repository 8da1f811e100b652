//! Outcomes summed up once for each cell of units, so that no comparison goes through the units again.

use arrow::buffer::BooleanBuffer;
use tranche_metric::Values;
use tranche_stats::{Arm, CoMoments, Proportion, VarianceMethod, adjust};

use crate::arms::{Arms, Basis, Outcomes};
use crate::cells::{Cells, Group};

/// Outcomes of units in cells.
#[derive(Debug, Clone)]
pub(crate) struct Summed<'a> {
    outcomes: Outcomes<'a>,
    cells: &'a Cells,
    /// By cell: the outcome with its covariate, or with 0; or numerator and denominator. `None` where an estimate needs the units
    /// themselves.
    moments: Option<Vec<CoMoments>>,
}

impl<'a> Summed<'a> {
    /// Sums up the values of units that are in `cells`.
    pub(crate) fn new(outcomes: Outcomes<'a>, cells: &'a Cells) -> Self {
        let moments = columns(&outcomes).map(|(x, y)| moments(x, y, outcomes.counted, cells));
        Self { outcomes, cells, moments }
    }

    /// The same values of units in other cells.
    pub(crate) fn over<'b>(&self, cells: &'b Cells) -> Summed<'b>
    where
        'a: 'b,
    {
        Summed::new(self.outcomes.clone(), cells)
    }

    /// Other values after exposure of the same units.
    pub(crate) fn with_values<'b>(&self, values: &'b [f64]) -> Summed<'b>
    where
        'a: 'b,
    {
        Summed::new(Outcomes { after: Values::Single(values), ..self.outcomes.clone() }, self.cells)
    }

    /// The values after exposure, and what estimates take into account.
    pub(crate) fn outcomes(&self) -> &Outcomes<'a> {
        &self.outcomes
    }

    /// Two groups as arms.
    pub(crate) fn arms(&self, control: &Group, treatment: &Group) -> Arms {
        let Some(moments) = &self.moments else {
            return self.outcomes.arms(&self.cells.units(control), &self.cells.units(treatment));
        };
        let of = |group: &Group| group.cells().fold(CoMoments::default(), |sum, cell| sum.merge(&moments[cell]));
        let both = [of(control), of(treatment)];
        let shares = self.outcomes.is_share.then(|| both.each_ref().map(successes));
        let mut basis = Basis::default();
        let [control, treatment] = match (self.outcomes.after, self.outcomes.covariates.first()) {
            (Values::Single(_), Some((name, _))) => {
                let adjusted = adjust(&both[0], &both[1]);
                basis.cuped_thetas.insert((*name).to_owned(), adjusted.theta);
                [adjusted.control, adjusted.treatment]
            }
            (Values::Single(_), None) => both.each_ref().map(|moments| Arm::mean(&moments.x())),
            _ => both.each_ref().map(Arm::ratio),
        };
        Arms { control, treatment, units: both.map(|moments| moments.n), shares, basis }
    }

    /// The units of a group that count for the metric.
    pub(crate) fn units(&self, group: &Group) -> Vec<usize> {
        let mut units = self.cells.units(group);
        if let Some(counted) = self.outcomes.counted {
            units.retain(|&unit| counted.value(unit));
        }
        units
    }
}

/// The one or two columns whose moments all that is asked follows from.
fn columns<'a>(outcomes: &Outcomes<'a>) -> Option<(&'a [f64], Option<&'a [f64]>)> {
    let is_by_formula = outcomes.clusters.is_none() && outcomes.strata.is_none() && outcomes.variance == VarianceMethod::Formula;
    match (outcomes.after, outcomes.covariates.as_slice()) {
        _ if !is_by_formula => None,
        (Values::Single(after), []) => Some((after, None)),
        (Values::Single(after), [(_, before)]) => Some((after, Some(before))),
        (Values::Ratio(above, below), []) => Some((above, Some(below))),
        _ => None,
    }
}

fn moments(x: &[f64], y: Option<&[f64]>, counted: Option<&BooleanBuffer>, cells: &Cells) -> Vec<CoMoments> {
    let triples = cells.of_units().zip(x).enumerate();
    let triples = triples.map(|(unit, (cell, x))| (unit, cell, *x, y.map_or(0.0, |y| y[unit])));
    match counted {
        None => CoMoments::of_groups(cells.len(), triples.map(|(_, cell, x, y)| (cell, x, y))),
        Some(counted) => {
            let triples = triples.filter(|(unit, ..)| counted.value(*unit));
            CoMoments::of_groups(cells.len(), triples.map(|(_, cell, x, y)| (cell, x, y)))
        }
    }
}

/// How many of values that are 1 or 0 are 1.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of units")]
fn successes(moments: &CoMoments) -> Proportion {
    Proportion::from_counts(moments.n, (moments.n as f64 * moments.x().mean).round() as u64)
}
