//! Small projects: the lineage of actions is what they read and write, another action is one file and one line, a check reports causes,
//! and what comes from strangers is used or refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod corpora;
mod count_rows;
mod hostile;
mod lineage;
mod project;
mod raw_parquet;
mod shop;
mod unreadable;
