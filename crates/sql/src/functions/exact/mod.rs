//! Sums, averages, variances, deviations, covariances, correlations and regressions of floats that do not depend on the order of their
//! rows: the engine's own functions for all other types, and [`ExactSum`](crate::ExactSum)s for these.

mod function;
mod groups;
mod pairs;
mod values;

use datafusion::logical_expr::AggregateUDF;

/// The aggregates that take the places of the engine's.
pub(crate) fn all() -> Vec<AggregateUDF> {
    values::all().into_iter().chain(pairs::all()).collect()
}
