//! What an analyst asks of segments. Nothing is written.

pub(crate) mod definition_tests;
pub(crate) mod explain;
pub(crate) mod overlap;
pub(crate) mod preview;
pub(crate) mod profile;
pub(crate) mod replay;
pub(crate) mod why;
