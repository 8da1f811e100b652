//! Statistics of pairs: covariances, correlations, and the line of least squares (`regr_*(y, x)` of SQL:2003).

use arrow::array::Float64Array;
use datafusion::functions_aggregate::{correlation, covariance, regr};
use datafusion::logical_expr::AggregateUDF;

use super::function::exact;
use super::groups::{Statistic, Summary};
use crate::exact_sum::{ExactSum, Moments, PairMoments};

pub(super) fn all() -> [AggregateUDF; 12] {
    [
        exact(covariance::covar_samp_udaf(), OfPairs::Covariance { is_sample: true }),
        exact(covariance::covar_pop_udaf(), OfPairs::Covariance { is_sample: false }),
        exact(correlation::corr_udaf(), OfPairs::Correlation),
        exact(regr::regr_slope_udaf(), OfPairs::Slope),
        exact(regr::regr_intercept_udaf(), OfPairs::Intercept),
        exact(regr::regr_count_udaf(), OfPairs::Count),
        exact(regr::regr_r2_udaf(), OfPairs::Determination),
        exact(regr::regr_avgx_udaf(), OfPairs::AverageX),
        exact(regr::regr_avgy_udaf(), OfPairs::AverageY),
        exact(regr::regr_sxx_udaf(), OfPairs::SquaresX),
        exact(regr::regr_syy_udaf(), OfPairs::SquaresY),
        exact(regr::regr_sxy_udaf(), OfPairs::Products),
    ]
}

/// What is computed from the moments of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum OfPairs {
    Covariance { is_sample: bool },
    Correlation,
    Slope,
    Intercept,
    Count,
    Determination,
    AverageX,
    AverageY,
    SquaresX,
    SquaresY,
    Products,
}

impl Statistic for OfPairs {
    type Summary = PairMoments;

    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    fn of(self, pairs: &PairMoments) -> Option<f64> {
        let n = pairs.x.n;
        if self == Self::Count {
            return Some(n as f64);
        }
        if n == 0 {
            return None;
        }
        let (xx, yy) = (pairs.x.squared_deviations(), pairs.y.squared_deviations());
        let xy = pairs.product_of_deviations();
        let (mean_x, mean_y) = (pairs.x.sum.mean(n as f64), pairs.y.sum.mean(n as f64));
        match self {
            Self::Count => Some(n as f64),
            Self::Covariance { is_sample } => {
                let degrees = n.checked_sub(u64::from(is_sample)).filter(|degrees| *degrees > 0)?;
                Some(xy / degrees as f64)
            }
            Self::Correlation => {
                (xx != 0.0 && yy != 0.0).then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
            }
            Self::Slope => (xx != 0.0).then(|| xy / xx),
            Self::Intercept => (xx != 0.0).then(|| mean_y - xy / xx * mean_x),
            Self::Determination => (xx != 0.0 && yy != 0.0).then(|| xy / xx * (xy / yy)),
            Self::AverageX => Some(mean_x),
            Self::AverageY => Some(mean_y),
            Self::SquaresX => Some(xx),
            Self::SquaresY => Some(yy),
            Self::Products => Some(xy),
        }
    }

    fn count(self, pairs: &mut PairMoments, (y, x): (f64, f64), is_taken: bool) {
        if is_taken {
            pairs.subtract(y, x);
        } else {
            pairs.add(y, x);
        }
    }
}

impl Summary for PairMoments {
    type Row = (f64, f64);

    const PARTS: usize = 15;

    fn rows(columns: &[Float64Array]) -> impl Iterator<Item = Option<(f64, f64)>> {
        columns[0].iter().zip(columns[1].iter()).map(|(y, x)| y.zip(x))
    }

    fn count(&self) -> u64 {
        self.x.n
    }

    fn part(&self, at: usize) -> f64 {
        let sums = [self.y.sum, self.y.squares, self.x.sum, self.x.squares, self.products];
        sums[at / 3].0[at % 3]
    }

    fn from_parts(n: u64, part: impl Fn(usize) -> f64) -> Self {
        let sum = |from: usize| ExactSum([0, 1, 2].map(|at| part(3 * from + at)));
        let moments = |from: usize| Moments { n, sum: sum(from), squares: sum(from + 1) };
        Self { y: moments(0), x: moments(2), products: sum(4) }
    }

    fn merge(&mut self, other: Self) {
        Self::merge(self, other);
    }
}
