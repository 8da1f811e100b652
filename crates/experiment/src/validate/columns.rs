//! The values of units as dense columns, in the order of their exposure.

use tranche_metric::Values;
use tranche_stats::{Arm, CoMomentMatrix, OutcomeColumns, adjust_for_covariates};

use super::counts::whole_number;
use super::lift::{ArmPair, LIFT};
use super::rows::Rows;
use crate::counts::as_number;
use crate::estimate::arms::Adjustments;

/// What cancels to less than this share of itself is nothing: the variance of an arm whose units are all
/// alike.
const LEAST_SHARE: f64 = 1e-11;

/// The columns of a metric: its outcome's, then its covariates.
#[derive(Debug)]
pub(super) struct Columns {
    outcomes: OutcomeColumns,
    /// One number per unit in each, less the column's centre; 0 for units that do not count.
    pub(super) values: Vec<Vec<f64>>,
    /// 1 for each unit that counts; all do when `None`.
    pub(super) counted: Option<Vec<f64>>,
    centres: Vec<f64>,
}

impl Columns {
    /// The columns that a measurement takes its moments from. `None` for quantiles.
    pub(super) fn of(values: Values<'_>, adjustments: &Adjustments<'_>, rows: &Rows) -> Option<Self> {
        let (above, below) = match values {
            Values::Single(above) => (above, None),
            Values::Ratio(above, below) => (above, Some(below)),
            Values::Quantile(..) | Values::EventQuantile(..) => return None,
        };
        let counts = |unit: usize| adjustments.counted.is_none_or(|counted| counted.value(unit));
        let sums =
            |value: &dyn Fn(usize) -> f64| rows.sums(|unit| if counts(unit) { value(unit) } else { 0.0 });
        let mut columns = vec![sums(&|unit| above[unit])];
        let outcomes = match (rows.are_clusters(), below) {
            (true, _) => {
                columns.push(sums(&|unit| below.map_or(1.0, |below| below[unit])));
                columns.push(sums(&|_| 1.0));
                OutcomeColumns::Clusters
            }
            (false, Some(below)) => {
                columns.push(sums(&|unit| below[unit]));
                OutcomeColumns::Ratio
            }
            (false, None) => OutcomeColumns::Mean,
        };
        columns.extend(adjustments.covariates.iter().map(|(_, covariate)| sums(&|unit| covariate[unit])));
        let counted = adjustments
            .counted
            .map(|_| sums(&|_| 1.0).into_iter().map(|units| f64::from(u8::from(units > 0.0))).collect());
        Some(Self::new(outcomes, columns, counted))
    }

    pub(super) fn new(
        outcomes: OutcomeColumns,
        mut values: Vec<Vec<f64>>,
        counted: Option<Vec<f64>>,
    ) -> Self {
        let mut centres = Vec::new();
        for column in &mut values {
            let centre = mean(column, counted.as_deref());
            column.iter_mut().for_each(|value| *value -= centre);
            if let Some(counted) = &counted {
                column.iter_mut().zip(counted).for_each(|(value, counts)| *value *= counts);
            }
            centres.push(centre);
        }
        Self { outcomes, values, counted, centres }
    }

    /// How many sums an arm has: its units that count, one per column, and one per pair of columns.
    pub(super) fn sums(&self) -> usize {
        let columns = self.values.len();
        1 + columns + columns * (columns + 1) / 2
    }

    /// The moments of units with these sums: their count, the columns, and their products, those of the lower
    /// triangle row by row.
    pub(super) fn moments(&self, sums: &[f64]) -> CoMomentMatrix {
        let width = self.values.len();
        let mut moments = CoMomentMatrix::new(width);
        let (units, sums) = (sums[0], &sums[1..]);
        if units < 0.5 {
            return moments;
        }
        let (sums, squares) = sums.split_at(width);
        let mut place = 0;
        for i in 0..width {
            moments.means[i] = self.centres[i] + sums[i] / units;
            for j in 0..=i {
                let product = squares[place] - sums[i] * sums[j] / units;
                let is_noise = i == j && product <= LEAST_SHARE * squares[place];
                moments.products[place] = if is_noise { 0.0 } else { product };
                place += 1;
            }
        }
        moments.n = whole_number(units);
        moments
    }

    /// Two arms: control with the treatment as it is, and with the lift put into it.
    pub(super) fn arms(&self, control: &CoMomentMatrix, treatment: &CoMomentMatrix) -> Option<[ArmPair; 2]> {
        let adjusted = |treatment: &CoMomentMatrix| {
            let found = adjust_for_covariates(control, treatment, self.outcomes).value()?;
            Some((found.control, found.treatment))
        };
        Some([adjusted(treatment)?, adjusted(&lifted(treatment))?])
    }

    /// The arm of all units.
    pub(super) fn whole(&self) -> Option<Arm> {
        let dot =
            |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f64>();
        let counted = self
            .counted
            .as_ref()
            .map_or(as_number(self.values[0].len() as u64), |counted| counted.iter().sum());
        let sums = self.values.iter().map(|column| column.iter().sum::<f64>());
        let pairs = self
            .values
            .iter()
            .enumerate()
            .flat_map(|(i, column)| self.values[..=i].iter().map(move |other| dot(column, other)));
        let sums: Vec<f64> = std::iter::once(counted).chain(sums).chain(pairs).collect();
        let empty = CoMomentMatrix::new(self.values.len());
        adjust_for_covariates(&self.moments(&sums), &empty, self.outcomes).value().map(|found| found.control)
    }

    /// The skewness of what is compared, a ratio taken as its numerator less what its denominator makes
    /// expected.
    pub(super) fn skewness(&self) -> f64 {
        let single = |unit: usize| self.values[0][unit];
        let ratio = match self.outcomes {
            OutcomeColumns::Ratio | OutcomeColumns::Clusters if self.centres[1] != 0.0 => {
                self.centres[0] / self.centres[1]
            }
            _ => 0.0,
        };
        let value = |unit: usize| match self.outcomes {
            OutcomeColumns::Mean => single(unit),
            OutcomeColumns::Ratio | OutcomeColumns::Clusters => single(unit) - ratio * self.values[1][unit],
        };
        let units = self.values[0].len();
        let moment = |power: i32| {
            (0..units).map(|unit| value(unit).powi(power)).sum::<f64>() / as_number(units as u64).max(1.0)
        };
        let spread = moment(2);
        if spread > 0.0 { moment(3) / spread.powf(1.5) } else { 0.0 }
    }
}

/// The first column multiplied, so that a mean or a ratio is.
fn lifted(moments: &CoMomentMatrix) -> CoMomentMatrix {
    let mut lifted = moments.clone();
    let factor = 1.0 + LIFT;
    lifted.means[0] *= factor;
    for i in 0..lifted.columns() {
        // The first of each row of the lower triangle.
        lifted.products[i * (i + 1) / 2] *= if i == 0 { factor * factor } else { factor };
    }
    lifted
}

/// The mean of the values that count.
fn mean(values: &[f64], counted: Option<&[f64]>) -> f64 {
    let counts = |unit: usize| counted.map_or(1.0, |counted| counted[unit]);
    let first = (0..values.len()).find(|unit| counts(*unit) > 0.0).map_or(0.0, |unit| values[unit]);
    let units: f64 = (0..values.len()).map(counts).sum();
    // Around the first value, so that a column of one value is centred exactly.
    first
        + values.iter().enumerate().map(|(unit, value)| counts(unit) * (value - first)).sum::<f64>()
            / units.max(1.0)
}
