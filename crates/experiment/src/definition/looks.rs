//! The planned looks of a group-sequential experiment, and those of them that were taken by an instant.
//!
//! A look is an instant: what it shows are the exposures and facts before it. Between two looks the result is
//! that of the earlier one, so that measuring every night takes no look that was not planned. A look that was taken
//! was seen, and stays taken: corrected exposures move the looks to come, and none that was.

use jiff::{SignedDuration, Timestamp};
use tranche_scorecard::RegisteredLook;
use tranche_stats::{GroupSequential, Spending};

/// The planned looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// When how much of alpha may be spent.
    pub spending: Spending,
    /// When looks are taken.
    pub looks: PlannedLooks,
}

/// Looks whose information differs by less are one.
const LEAST_INFORMATION: f64 = 1e-9;

/// The information that the last look has more than one before it at least. Where it has less in truth, its boundary is further out than
/// it had to be.
const LAST_STEP: f64 = 0.01;

/// When looks are taken.
#[derive(Debug, Clone, PartialEq)]
pub enum PlannedLooks {
    /// When so much of the planned units was exposed, and their conversion windows are closed.
    Fractions {
        /// Rising, in (0, 1], the last 1.
        fractions: Vec<f64>,
        /// The units, all variants together, that are planned for the last look.
        units: u64,
    },
    /// At these instants.
    Instants {
        /// Rising.
        instants: Vec<Timestamp>,
        /// The units that are planned for the last look. Without them information is taken to grow with time.
        units: Option<u64>,
    },
}

/// The last look that was taken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TakenLook {
    /// Which one, from 1.
    pub(crate) number: usize,
    /// When.
    pub(crate) at: Timestamp,
    /// All looks up to this one.
    pub(crate) all: Vec<RegisteredLook>,
    /// The information fractions of all looks so far, and how alpha is spent on them.
    pub(crate) design: GroupSequential,
}

/// How far an experiment has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress<'a> {
    /// The first instant of exposures that count.
    pub(crate) from: Timestamp,
    /// The instant at which every conversion window is closed.
    pub(crate) end: Timestamp,
    /// How long each unit is observed; up to the look itself when `None`.
    pub(crate) window: Option<SignedDuration>,
    /// The first exposures, sorted.
    pub(crate) exposures: &'a [Timestamp],
}

impl Design {
    /// Looks at shares of `units`.
    pub(crate) fn at_fractions(spending: Spending, fractions: Vec<f64>, units: u64) -> Self {
        Self { spending, looks: PlannedLooks::Fractions { fractions, units } }
    }

    /// Looks at instants.
    pub(crate) fn at_instants(spending: Spending, instants: Vec<Timestamp>, units: Option<u64>) -> Self {
        Self { spending, looks: PlannedLooks::Instants { instants, units } }
    }

    /// How many looks are planned.
    #[must_use]
    pub fn planned(&self) -> usize {
        match &self.looks {
            PlannedLooks::Fractions { fractions, .. } => fractions.len(),
            PlannedLooks::Instants { instants, .. } => instants.len(),
        }
    }

    /// When the first look is taken, in words.
    #[must_use]
    pub fn first_look(&self) -> String {
        match &self.looks {
            PlannedLooks::Fractions { fractions, units } => {
                let share = fractions.first().copied().unwrap_or(1.0);
                format!("when {} units have been exposed and observed", units_at(share, *units))
            }
            PlannedLooks::Instants { instants, .. } => {
                instants.first().map_or_else(|| "never".to_owned(), |first| format!("at {first}"))
            }
        }
    }

    /// The last look taken by `as_of`, after those that earlier measurements took. A plan that ends before its last look is
    /// looked at once more, for the last time.
    pub(crate) fn taken(
        &self,
        progress: Progress<'_>,
        earlier: &[RegisteredLook],
        as_of: Timestamp,
    ) -> Option<TakenLook> {
        let mut looks: Vec<RegisteredLook> =
            earlier.iter().copied().filter(|look| look.at <= as_of).collect();
        for mut look in self.looks_after(looks.last().map_or(0.0, |look| look.fraction), progress) {
            if let Some(last) = looks.last().filter(|last| last.at < progress.end && look.at >= progress.end)
            {
                // No unit may have come since, or corrections have taken some away: the plan ends all the same.
                look.fraction = look.fraction.max(last.fraction + LAST_STEP);
            }
            let is_new = looks.last().is_none_or(|last| {
                look.at > last.at && look.fraction > last.fraction + LEAST_INFORMATION && last.fraction < 1.0
            });
            if look.at <= as_of && look.fraction > LEAST_INFORMATION && is_new {
                looks.push(look);
            }
        }
        let last = looks.last().copied()?;
        let is_final = last.fraction >= 1.0 || last.at >= progress.end || looks.len() == self.planned();
        let fractions = looks.iter().map(|look| look.fraction).collect::<Vec<_>>();
        Some(TakenLook {
            number: fractions.len(),
            at: last.at,
            all: looks,
            design: GroupSequential { spending: self.spending, fractions, is_final },
        })
    }

    /// Each look that the progress allows; of those at shares of units, the ones beyond the share that was seen.
    fn looks_after(&self, seen: f64, progress: Progress<'_>) -> Vec<RegisteredLook> {
        match &self.looks {
            PlannedLooks::Fractions { fractions, units } => {
                let open = fractions.iter().filter(|share| **share > seen + LEAST_INFORMATION);
                let reached = open.filter_map(|share| {
                    let place = usize::try_from(units_at(*share, *units)).ok()?.checked_sub(1)?;
                    let exposed = *progress.exposures.get(place)?;
                    // An instant later without a window, so that the exposure itself lies before the look.
                    exposed.checked_add(progress.window.unwrap_or(SignedDuration::from_micros(1))).ok()
                });
                let share = |at: Timestamp| share_of(exposed_before(progress.exposures, at), *units);
                let looks = reached.filter(|at| *at < progress.end).chain(std::iter::once(progress.end));
                looks.map(|at| RegisteredLook { at, fraction: share(at) }).collect()
            }
            PlannedLooks::Instants { instants, units } => {
                let last = instants.last().copied().unwrap_or(progress.end);
                let whole = (last.as_second() - progress.from.as_second()).max(1);
                let share = |at: Timestamp| match units {
                    Some(units) => share_of(exposed_before(progress.exposures, at), *units),
                    None => ratio(at.as_second() - progress.from.as_second(), whole),
                };
                instants.iter().map(|at| RegisteredLook { at: *at, fraction: share(*at) }).collect()
            }
        }
    }
}

fn exposed_before(exposures: &[Timestamp], at: Timestamp) -> usize {
    exposures.partition_point(|exposed| *exposed < at)
}

#[expect(clippy::cast_precision_loss, reason = "counts of units")]
fn share_of(count: usize, units: u64) -> f64 {
    count as f64 / units.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "seconds of an experiment")]
fn ratio(seconds: i64, whole: i64) -> f64 {
    seconds as f64 / whole as f64
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of units"
)]
fn units_at(share: f64, units: u64) -> u64 {
    (share * units as f64 - 1e-9).ceil().max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour)
    }

    /// One unit an hour from hour 0 on, observed for ten hours; exposures end after 100 hours.
    fn taken(design: &Design, as_of: i64) -> Option<(usize, i64, Vec<f64>, bool)> {
        let exposures: Vec<Timestamp> = (0..100).map(at).collect();
        let window = Some(SignedDuration::from_hours(10));
        let progress = Progress { from: at(0), end: at(110), window, exposures: &exposures };
        let look = design.taken(progress, &[], at(as_of))?;
        Some((look.number, look.at.as_second() / 3600, look.design.fractions, look.design.is_final))
    }

    #[test]
    fn a_look_at_a_share_of_units_waits_until_their_windows_are_closed() {
        let design = Design::at_fractions(Spending::Pocock, vec![0.5, 1.0], 80);
        // The 40th unit is exposed in hour 39 and observed until hour 49, when 49 units have been exposed.
        assert_eq!(taken(&design, 48), None);
        assert_eq!(taken(&design, 49), Some((1, 49, vec![49.0 / 80.0], false)));
        assert_eq!(taken(&design, 88), Some((1, 49, vec![49.0 / 80.0], false)));
        assert_eq!(taken(&design, 400), Some((2, 89, vec![49.0 / 80.0, 89.0 / 80.0], true)));
    }

    #[test]
    fn a_plan_that_falls_short_is_looked_at_when_it_ends() {
        let design = Design::at_fractions(Spending::OBrienFleming, vec![0.25, 1.0], 200);
        assert_eq!(taken(&design, 109), Some((1, 59, vec![59.0 / 200.0], false)));
        assert_eq!(taken(&design, 110), Some((2, 110, vec![59.0 / 200.0, 0.5], true)));
    }

    #[test]
    fn looks_at_instants_have_the_information_of_units_or_of_time() {
        let instants = vec![at(30), at(60)];
        let by_time = Design::at_instants(Spending::Pocock, instants.clone(), None);
        assert_eq!(taken(&by_time, 29), None);
        assert_eq!(taken(&by_time, 30), Some((1, 30, vec![0.5], false)));
        assert_eq!(taken(&by_time, 61), Some((2, 60, vec![0.5, 1.0], true)));
        let by_units = Design::at_instants(Spending::Pocock, instants, Some(120));
        assert_eq!(taken(&by_units, 61), Some((2, 60, vec![0.25, 0.5], true)));
    }

    /// What a measurement at 60 hours took stays, whatever the exposures are corrected to.
    #[test]
    fn a_look_that_was_taken_stays_taken() {
        let design = Design::at_fractions(Spending::Pocock, vec![0.5, 1.0], 80);
        let window = Some(SignedDuration::from_hours(10));
        let look = |exposures: &[Timestamp], earlier: &[RegisteredLook], as_of: i64| {
            let progress = Progress { from: at(0), end: at(110), window, exposures };
            let look = design.taken(progress, earlier, at(as_of))?;
            Some((look.number, look.at.as_second() / 3600, look.design.fractions.clone(), look))
        };
        let exposures: Vec<Timestamp> = (0..100).map(at).collect();
        let (_, _, _, first) = look(&exposures, &[], 60).unwrap();
        let taken = first.all.clone();
        assert_eq!(taken, [RegisteredLook { at: at(49), fraction: 49.0 / 80.0 }]);
        for corrected in [
            // Every second exposure was none, so that the 40th is exposed in hour 78; those of the first day were later; none is left.
            (0..100).step_by(2).map(at).collect::<Vec<_>>(),
            (0..100).map(|hour| at(hour.max(24))).collect(),
            Vec::new(),
        ] {
            let (number, hour, fractions, again) = look(&corrected, &taken, 88).unwrap();
            assert_eq!((number, hour, fractions), (1, 49, vec![49.0 / 80.0]), "{corrected:?}");
            assert_eq!(again.all, taken);
            assert!(!again.design.is_final);
            // At the end there is the last one.
            let (number, hour, fractions, last) = look(&corrected, &taken, 110).unwrap();
            assert_eq!((number, fractions[0], last.design.is_final), (2, 49.0 / 80.0, true), "{corrected:?}");
            assert!(hour >= 89 && fractions[1] >= 49.0 / 80.0 + LAST_STEP, "{hour} {fractions:?}");
        }
        // Before it was taken, it was not.
        assert!(look(&exposures, &taken, 48).is_none());
    }
}
