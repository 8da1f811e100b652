//! The lift that is put into the treatment, so that the truth is known.

use tranche_stats::Arm;

/// The lift that is put into the treatment to see whether intervals of lifts hold it.
pub(super) const LIFT: f64 = 0.1;

/// Control and a treatment.
pub(super) type ArmPair = (Arm, Arm);
