//! All cross-crate tests, in one binary.

mod analyst;
mod backfill;
mod demo_shop;
mod dirty;
mod dirty_files;
mod estimators;
mod experiment_days;
mod experiment_edges;
mod experiment_nights;
mod experiments;
mod golden;
mod interruption;
mod lab;
mod metric_kinds;
mod mistakes;
mod real_experiments;
mod refreshes;
mod s3;
mod s3_server;
mod scenarios;
mod small_project;
mod validation;
