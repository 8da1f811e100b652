//! Estimates: from what units did to effects, and how far these can be relied on.
//!
//! [`inputs`] says what of the units' data an estimate of a metric is made from, [`arms`] sums it up as two
//! arms, and [`analysis`] compares these. [`estimates`] does so for each segment and treatment,
//! [`heterogeneity`] between segments, [`outliers`] without a few units, [`series`] by day; [`metric`] does
//! all of this for one metric. [`family`] judges estimates together.

pub(crate) mod analysis;
pub(crate) mod arms;
pub(crate) mod estimates;
pub(crate) mod family;
pub(crate) mod heterogeneity;
pub(crate) mod inputs;
pub(crate) mod metric;
pub(crate) mod outliers;
pub(crate) mod series;
mod shares;
