//! Statistics of values: sums, averages, variances, deviations.

use std::sync::Arc;

use arrow::array::Float64Array;
use datafusion::functions_aggregate::{stddev, variance};
use datafusion::logical_expr::AggregateUDF;

use super::function::exact;
use super::groups::{Statistic, Summary};
use crate::exact_sum::{ExactSum, Moments};
use crate::functions::aggregates;

pub(super) fn all() -> [AggregateUDF; 6] {
    let spread = |is_sample, is_root| OfValues::Variance { is_sample, is_root };
    // The standard's name is not among the engine's.
    let var_samp = AggregateUDF::clone(&variance::var_samp_udaf()).with_aliases(["variance"]);
    [
        exact(Arc::new(aggregates::average()), OfValues::Average),
        exact(Arc::new(aggregates::sum()), OfValues::Sum),
        exact(Arc::new(var_samp), spread(true, false)),
        exact(variance::var_pop_udaf(), spread(false, false)),
        exact(stddev::stddev_udaf(), spread(true, true)),
        exact(stddev::stddev_pop_udaf(), spread(false, true)),
    ]
}

/// What is computed from the moments of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum OfValues {
    Sum,
    Average,
    Variance { is_sample: bool, is_root: bool },
}

impl Statistic for OfValues {
    type Summary = Moments;

    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    fn of(self, moments: &Moments) -> Option<f64> {
        match self {
            Self::Sum => (moments.n > 0).then(|| moments.sum.value()),
            Self::Average => (moments.n > 0).then(|| moments.sum.mean(moments.n as f64)),
            Self::Variance { is_sample, is_root } => {
                let variance = moments.variance(is_sample)?;
                Some(if is_root { variance.sqrt() } else { variance })
            }
        }
    }

    /// Squares where they are needed.
    fn count(self, moments: &mut Moments, value: f64, is_taken: bool) {
        match (self, is_taken) {
            (Self::Variance { .. }, false) => moments.add(value),
            (Self::Variance { .. }, true) => moments.subtract(value),
            (_, false) => {
                moments.n += 1;
                moments.sum.add(value);
            }
            (_, true) => {
                moments.n -= 1;
                moments.sum.add(-value);
            }
        }
    }
}

impl Summary for Moments {
    type Row = f64;

    const PARTS: usize = 6;

    fn rows(columns: &[Float64Array]) -> impl Iterator<Item = Option<f64>> {
        columns[0].iter()
    }

    fn count(&self) -> u64 {
        self.n
    }

    fn part(&self, at: usize) -> f64 {
        [self.sum, self.squares][at / 3].0[at % 3]
    }

    fn from_parts(n: u64, part: impl Fn(usize) -> f64) -> Self {
        let sum = |from: usize| ExactSum([0, 1, 2].map(|at| part(from + at)));
        Self { n, sum: sum(0), squares: sum(3) }
    }

    fn merge(&mut self, other: Self) {
        Self::merge(self, other);
    }
}
