//! What a command works with: how it was called, and the project.

use tranche_workspace::{Place, Tranche};

use crate::args::Global;
use crate::failure::Failure;

/// A command's options and the project that they name.
pub(crate) struct App {
    pub(crate) global: Global,
    pub(crate) tranche: Tranche,
}

impl App {
    /// Reads the project that the options name.
    pub(crate) fn open(global: &Global) -> Result<Self, Failure> {
        let place = Place { folder: global.project.clone(), lake: global.lake.clone() };
        Ok(Self { global: global.clone(), tranche: Tranche::open(&place)? })
    }
}
