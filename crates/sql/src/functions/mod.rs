//! SQL functions that we add, one a file. They go by name, so that a plan can travel.

mod aggregates;
mod as_given;
mod as_of;
mod at_time_zone;
mod bucket;
mod checked;
mod date_trunc;
mod exact;
mod length_of_time;
mod nearest;
pub(crate) mod number;
mod quotient;
mod to_char;
mod to_timestamp;

use std::sync::Arc;

use datafusion::functions::math::signum;
use datafusion::logical_expr::{AggregateUDF, Expr, ScalarUDF};
use jiff::Timestamp;

pub use aggregates::AVERAGE_DIGITS;
pub(crate) use at_time_zone::AtTimeZone;
pub(crate) use checked::checked;
pub(crate) use length_of_time::length_of_time;
pub(crate) use nearest::{is_nearest, nearest};
pub(crate) use quotient::quotient;

/// The operands of a call that stands for an operator: null where one of them is.
#[must_use]
pub fn operands(expr: &Expr) -> Option<&[Expr]> {
    checked::operands(expr).or_else(|| quotient::operands(expr))
}

/// The name of the clock.
pub(crate) const AS_OF: &str = as_of::AsOf::NAME;

/// Every function of a session at `as_of`, with the names that users know the engine's by.
pub(crate) fn all(as_of: Timestamp) -> Vec<ScalarUDF> {
    vec![
        ScalarUDF::new_from_impl(as_of::AsOf::new(as_of)),
        ScalarUDF::new_from_impl(bucket::Bucket::new()),
        ScalarUDF::new_from_impl(AtTimeZone::new()),
        ScalarUDF::new_from_impl(date_trunc::DateTrunc::new()),
        ScalarUDF::new_from_impl(to_char::ToChar::new()),
        ScalarUDF::new_from_impl(to_timestamp::ToTimestamp::new()),
        ScalarUDF::clone(&signum()).with_aliases(["sign"]),
    ]
}

/// A text as an instant, in microseconds.
pub(crate) fn to_timestamp() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(to_timestamp::ToTimestamp::new()))
}

/// The aggregates that take the places of the engine's, or have names besides theirs.
pub(crate) fn aggregates() -> Vec<AggregateUDF> {
    exact::all()
}

/// The clock at `as_of`.
pub(crate) fn as_of(as_of: Timestamp) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(as_of::AsOf::new(as_of)))
}
