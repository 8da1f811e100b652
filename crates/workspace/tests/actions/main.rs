//! Small projects: the lineage of actions is what they read and write, another action is one file and one line, and a check reports causes.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod count_rows;
mod lineage;
mod project;
mod unreadable;
