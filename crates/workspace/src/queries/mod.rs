//! The questions that people ask of a project and its lake, each as a function that returns a typed value. As JSON a value is what
//! `--format json` prints.

pub mod backfills;
pub mod definitions;
pub mod examination;
pub mod experiments;
pub mod explain;
pub mod overlap;
pub mod preview;
pub mod quarantine;
pub mod report;
pub mod rows;
pub mod runs;
pub mod schemas;
pub mod segment_backfill;
pub mod segment_tests;
pub mod segments;
pub mod slots;
pub mod sql;
pub mod statistics;
pub mod traits;
pub mod why;
