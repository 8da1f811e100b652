//! The tables that Tranche itself keeps in a lake: one file for each, with its column names, its schema and
//! its [`Table`](crate::layout::Table).

pub mod estimate_series;
pub mod estimates;
pub mod kpis;
pub mod loads;
pub mod memberships;
pub mod quarantine;
pub mod segment_history;
pub mod tables;
pub mod traits;

pub use crate::columns::{AS_OF, EVENT_DAY, FILE_NUMBER, SEGMENT, VALID_FROM, VALID_TO, instant};
