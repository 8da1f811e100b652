//! All cross-crate tests, in one binary.

mod golden;
mod mistakes;
mod scenarios;
