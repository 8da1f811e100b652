//! Actions in a small project: their lineage is what they really read and write, and another action is one file and one line.

mod count_rows;
mod lineage;
mod project;
mod recorder;
