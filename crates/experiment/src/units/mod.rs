//! The units of experiments: who was first exposed to what and when, in which segments they were before, and
//! what they did before and after.
//!
//! The flow goes down the list: [`exposure`] asks for the events, [`exposure_scan`] reads them, [`first`] makes
//! [`exposed`] units of them, [`status`] says which of these count, [`segments`] replays segments at their
//! exposures, [`values`] measures them, and [`collect`] brings all of it together as one
//! [`UnitData`](collect::UnitData) for each experiment.

pub(crate) mod cells;
pub(crate) mod clusters;
pub(crate) mod collect;
pub(crate) mod exposed;
mod exposure;
mod exposure_scan;
mod first;
pub(crate) mod segments;
pub(crate) mod status;
pub(crate) mod strata;
mod universe;
pub(crate) mod values;
