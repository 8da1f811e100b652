//! The dialect held against answers that others gave.

mod dialect;
mod slt;
mod ties;
