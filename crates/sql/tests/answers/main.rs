//! The dialect held against answers that others gave.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod dialect;
mod slt;
mod ties;
