//! From values per unit to arms.

use arrow::buffer::BooleanBuffer;
use tranche_metric::Values;
use tranche_stats::{Arm, CoMoments, Moments, QuantileSummary, adjust};

use crate::cells::{Cells, Group};

/// The values of one metric, and of the same metric before exposure where that is taken out; with their moments.
#[derive(Debug, Clone)]
pub(crate) struct Outcomes<'a> {
    after: Values<'a>,
    before: Option<Values<'a>>,
    /// The units that count for the metric; all do when `None`.
    counted: Option<&'a BooleanBuffer>,
    cells: &'a Cells,
    /// By cell: the outcome with its covariate, or with 0; or numerator and denominator.
    moments: Vec<CoMoments>,
}

/// Control and a treatment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arms {
    pub(crate) control: Arm,
    pub(crate) treatment: Arm,
    /// The slope that CUPED took out, if it did.
    pub(crate) theta: Option<f64>,
}

impl<'a> Outcomes<'a> {
    /// Sums up the values of units that are in `cells`.
    pub(crate) fn new(
        after: Values<'a>,
        before: Option<Values<'a>>,
        counted: Option<&'a BooleanBuffer>,
        cells: &'a Cells,
    ) -> Self {
        let of_groups = |x: &[f64], y: Option<&[f64]>| {
            let triples = cells.of_units().zip(x).enumerate();
            let triples = triples.map(|(unit, (cell, x))| (unit, cell, *x, y.map_or(0.0, |y| y[unit])));
            match counted {
                None => CoMoments::of_groups(cells.len(), triples.map(|(_, cell, x, y)| (cell, x, y))),
                Some(counted) => {
                    let triples = triples.filter(|(unit, ..)| counted.value(*unit));
                    CoMoments::of_groups(cells.len(), triples.map(|(_, cell, x, y)| (cell, x, y)))
                }
            }
        };
        let moments = match (after, before) {
            (Values::Single(after), Some(Values::Single(before))) => of_groups(after, Some(before)),
            (Values::Single(after), _) => of_groups(after, None),
            (Values::Ratio(above, below), _) => of_groups(above, Some(below)),
            (Values::Quantile(..) | Values::EventQuantile(..), _) => Vec::new(),
        };
        Self { after, before, counted, cells, moments }
    }

    /// The same values of units in other cells.
    pub(crate) fn over<'b>(&self, cells: &'b Cells) -> Outcomes<'b>
    where
        'a: 'b,
    {
        Outcomes::new(self.after, self.before, self.counted, cells)
    }

    /// Other values after exposure of the same units.
    pub(crate) fn with_values<'b>(&self, values: &'b [f64]) -> Outcomes<'b>
    where
        'a: 'b,
    {
        Outcomes::new(Values::Single(values), self.before, self.counted, self.cells)
    }

    /// The values after exposure.
    pub(crate) fn values(&self) -> Values<'a> {
        self.after
    }

    /// Two groups as arms. A covariate is taken out where there is one.
    pub(crate) fn arms(&self, control: &Group, treatment: &Group) -> Arms {
        if let (Values::Single(_), Some(Values::Single(_))) = (self.after, self.before) {
            let adjusted = adjust(&self.moments(control), &self.moments(treatment));
            return Arms { control: adjusted.control, treatment: adjusted.treatment, theta: Some(adjusted.theta) };
        }
        Arms { control: self.arm(control), treatment: self.arm(treatment), theta: None }
    }

    /// A group as it was before exposure, where that is known.
    pub(crate) fn arm_before(&self, group: &Group) -> Option<Arm> {
        match (self.after, self.before?) {
            (Values::Single(_), Values::Single(_)) => Some(Arm::mean(&self.moments(group).y())),
            (_, before) => Some(arm(before, &self.units(group))),
        }
    }

    fn arm(&self, group: &Group) -> Arm {
        match self.after {
            Values::Single(_) => Arm::mean(&self.moments(group).x()),
            Values::Ratio(..) => Arm::ratio(&self.moments(group)),
            after => arm(after, &self.units(group)),
        }
    }

    fn moments(&self, group: &Group) -> CoMoments {
        group.cells().fold(CoMoments::default(), |sum, cell| sum.merge(&self.moments[cell]))
    }

    /// The units of a group that count for the metric.
    pub(crate) fn units(&self, group: &Group) -> Vec<usize> {
        let mut units = self.cells.units(group);
        if let Some(counted) = self.counted {
            units.retain(|&unit| counted.value(unit));
        }
        units
    }
}

/// The arm of some units, as they are.
pub(crate) fn arm(values: Values<'_>, units: &[usize]) -> Arm {
    match values {
        Values::Single(values) => Arm::mean(&Moments::from_values(units.iter().map(|&unit| values[unit]))),
        Values::Ratio(above, below) => Arm::ratio(&CoMoments::from_pairs(units.iter().map(|&unit| (above[unit], below[unit])))),
        Values::Quantile(values, level) => {
            Arm::quantile(&QuantileSummary::of_values(units.iter().map(|&unit| values[unit]).collect(), level))
        }
        Values::EventQuantile(events, level) => Arm::clustered_quantile(units.iter().map(|&unit| events.of_unit(unit)), level),
    }
}
