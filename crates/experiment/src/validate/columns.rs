//! What units did, as dense columns in the order of their exposure.

use tranche_metric::Values;
use tranche_stats::{CoMomentMatrix, OutcomeColumns};

use crate::arms::Outcomes;

/// What cancels to less than this share of itself is nothing: the variance of an arm whose units are all alike.
const LEAST_SHARE: f64 = 1e-11;

/// The columns of a metric: its outcome's, then its covariates.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) outcomes: OutcomeColumns,
    /// One number per unit in each, less the column's centre.
    pub(super) values: Vec<Vec<f64>>,
    centres: Vec<f64>,
}

impl Columns {
    /// The columns that a measurement takes its moments from, the units in this order.
    pub(super) fn of(outcomes: &Outcomes<'_>, order: &[usize]) -> Self {
        let taken = |values: &[f64]| order.iter().map(|&unit| values[unit]).collect::<Vec<f64>>();
        match (outcomes.after, outcomes.before) {
            (Values::Single(after), Some(Values::Single(before))) => {
                Self::new(OutcomeColumns::Mean, vec![taken(after), taken(before)])
            }
            (Values::Single(after), _) => Self::new(OutcomeColumns::Mean, vec![taken(after)]),
            (Values::Ratio(above, below), _) => Self::new(OutcomeColumns::Ratio, vec![taken(above), taken(below)]),
        }
    }

    pub(super) fn new(outcomes: OutcomeColumns, mut values: Vec<Vec<f64>>) -> Self {
        let centres: Vec<f64> = values.iter().map(|column| mean(column)).collect();
        for (column, centre) in values.iter_mut().zip(&centres) {
            column.iter_mut().for_each(|value| *value -= centre);
        }
        Self { outcomes, values, centres }
    }

    /// How many sums an arm has: one per column, and one per pair of columns.
    pub(super) fn sums(&self) -> usize {
        let columns = self.values.len();
        columns + columns * (columns + 1) / 2
    }

    /// The moments of `n` units with these sums of the columns and of their products, those of the lower triangle row by row.
    pub(super) fn moments(&self, n: u64, sums: &[f64]) -> CoMomentMatrix {
        let width = self.values.len();
        let mut moments = CoMomentMatrix::new(width);
        if n == 0 {
            return moments;
        }
        let units = as_number(n);
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
        moments.n = n;
        moments
    }

    /// The moments of all units.
    pub(super) fn whole(&self) -> CoMomentMatrix {
        let dot = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f64>();
        let sums = self.values.iter().map(|column| column.iter().sum::<f64>());
        let pairs =
            self.values.iter().enumerate().flat_map(|(i, column)| self.values[..=i].iter().map(move |other| dot(column, other)));
        let sums: Vec<f64> = sums.chain(pairs).collect();
        self.moments(self.values[0].len() as u64, &sums)
    }

    /// The skewness of what is compared, a ratio taken as its numerator less what its denominator makes expected.
    pub(super) fn skewness(&self) -> f64 {
        let single = |unit: usize| self.values[0][unit];
        let ratio = match self.outcomes {
            OutcomeColumns::Ratio if self.centres[1] != 0.0 => self.centres[0] / self.centres[1],
            _ => 0.0,
        };
        let value = |unit: usize| match self.outcomes {
            OutcomeColumns::Mean => single(unit),
            OutcomeColumns::Ratio => single(unit) - ratio * self.values[1][unit],
        };
        let units = self.values[0].len();
        let moment = |power: i32| (0..units).map(|unit| value(unit).powi(power)).sum::<f64>() / as_number(units as u64).max(1.0);
        let spread = moment(2);
        if spread > 0.0 { moment(3) / spread.powf(1.5) } else { 0.0 }
    }
}

fn mean(values: &[f64]) -> f64 {
    let first = values.first().copied().unwrap_or(0.0);
    // Around the first value, so that a column of one value is centred exactly.
    first + values.iter().map(|value| value - first).sum::<f64>() / as_number(values.len() as u64).max(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts of units")]
pub(super) fn as_number(count: u64) -> f64 {
    count as f64
}
