//! The trials, and how often each is drawn for `docs/simulations.md`.

mod adjustments;
mod clusters;
mod families;
mod intervals;
mod looks;

use crate::claim::Claim;

/// One kind of experiment, drawn many times.
pub(crate) struct Trial {
    pub(crate) run: fn(u32) -> Vec<Claim>,
    /// Draws of the full form.
    pub(crate) draws: u32,
}

pub(crate) const ALL: [Trial; 11] = [
    Trial { run: intervals::fieller, draws: 200_000 },
    Trial { run: intervals::non_inferiority, draws: 100_000 },
    Trial { run: intervals::bootstrap, draws: 4_000 },
    Trial { run: looks::always_valid, draws: 10_000 },
    Trial { run: looks::group_sequential, draws: 1_000_000 },
    Trial { run: looks::sample_ratios, draws: 10_000 },
    Trial { run: adjustments::cuped, draws: 100_000 },
    Trial { run: adjustments::covariates, draws: 40_000 },
    Trial { run: adjustments::strata, draws: 100_000 },
    Trial { run: clusters::clustered, draws: 20_000 },
    Trial { run: families::families, draws: 100_000 },
];
