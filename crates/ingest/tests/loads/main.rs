//! Loads of whole files into tables of a lake in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod place;
mod replace;
mod trial_reader;
