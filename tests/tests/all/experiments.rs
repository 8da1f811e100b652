//! Experiments from YAML to the stored result: inference, margins, decisions, checks, segments, adjustment and plans.

mod decisions;
mod inference;
mod planning;
mod units;
