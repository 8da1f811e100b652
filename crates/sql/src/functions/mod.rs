//! SQL functions that we add, one a file. They go by name, so that a plan can travel.

mod as_of;
mod bucket;
pub(crate) mod number;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use jiff::Timestamp;

/// The name of the clock.
pub(crate) const AS_OF: &str = as_of::AsOf::NAME;

/// Every function of a session at `as_of`.
pub(crate) fn all(as_of: Timestamp) -> Vec<ScalarUDF> {
    vec![ScalarUDF::new_from_impl(as_of::AsOf::new(as_of)), ScalarUDF::new_from_impl(bucket::Bucket::new())]
}

/// The clock at `as_of`.
pub(crate) fn as_of(as_of: Timestamp) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(as_of::AsOf::new(as_of)))
}
