//! When a check fails.

/// What is less probable than this, if all is well, makes a result untrustworthy.
pub(crate) const THRESHOLD: f64 = 0.001;
/// The concentration of the sequential sample ratio test: finds small mismatches.
pub(crate) const CONCENTRATION: f64 = 10_000.0;
/// With fewer expected units in a variant a split can hardly fail, and would only make it harder for the
/// others to.
pub(crate) const LEAST_EXPECTED: f64 = 5.0;
