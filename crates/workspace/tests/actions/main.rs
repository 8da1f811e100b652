//! Small projects: the lineage of actions is what they read and write, another action is one file and one line, and a check reports causes.

mod count_rows;
mod lineage;
mod project;
mod recorder;
mod unreadable;
