//! Counts of alarms, misses and rejected splits over all draws.

use tranche_stats::{sample_ratio, sequential_sample_ratio};

use super::checks::CheckOutcome;
use super::counts::whole_number;
use super::trials::{Draw, Trials};
use crate::health::thresholds::CONCENTRATION;

/// Draws that have an answer, and those of them in which it happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) draws: u64,
    pub(super) happened: u64,
}

impl Count {
    fn add(&mut self, happened: Option<bool>) {
        self.draws += u64::from(happened.is_some());
        self.happened += u64::from(happened == Some(true));
    }

    fn merge(&mut self, other: Self) {
        self.draws += other.draws;
        self.happened += other.happened;
    }
}

/// The counts of all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    /// Alarms and misses, by metric, treatment and inference.
    pub(super) outcomes: Vec<[Count; 2]>,
    /// Splits that the chi-squared test rejects.
    pub(super) ratio: Count,
    /// Splits that the sequential test rejects at any look.
    pub(super) sequential_ratio: Count,
}

impl Tally {
    /// Nothing counted yet.
    pub(super) fn of(trials: &Trials<'_>) -> Self {
        let checks: usize = trials.subjects.iter().map(|subject| subject.checks.len()).sum();
        let outcomes = vec![[Count::default(); 2]; checks * trials.treatments().count()];
        Self { outcomes, ratio: Count::default(), sequential_ratio: Count::default() }
    }

    /// Counts what one draw shows.
    pub(super) fn add(&mut self, trials: &Trials<'_>, draw: Draw<'_>) {
        let mut place = 0;
        for subject in &trials.subjects {
            let looks = subject.looks();
            for treatment in trials.treatments() {
                let mut arms = vec![None; trials.looks.len()];
                for look in &looks {
                    arms[*look] = subject.arms(trials, draw, *look, treatment);
                }
                for check in &subject.checks {
                    let CheckOutcome { alarm, miss } = check.outcome(subject.lift, |look| arms[look]);
                    self.outcomes[place][0].add(alarm);
                    self.outcomes[place][1].add(miss);
                    place += 1;
                }
            }
        }
        self.add_split(trials, draw);
    }

    fn add_split(&mut self, trials: &Trials<'_>, draw: Draw<'_>) {
        let rows = |look: usize, variant: usize| whole_number(draw.sums.arm(draw.place, look, variant)[0]);
        let split = |look: usize| -> Vec<u64> {
            (0..trials.shares.len()).map(|variant| rows(look, variant)).collect()
        };
        let last = sample_ratio(&split(trials.looks.len() - 1), &trials.shares).value();
        self.ratio.add(last.map(|ratio| ratio.p <= trials.alpha));
        let rejected = |look: &usize| {
            let found = sequential_sample_ratio(&split(*look), &trials.shares, CONCENTRATION).value();
            found.is_some_and(|found| found.p <= trials.alpha)
        };
        self.sequential_ratio.add(Some(trials.even.iter().any(rejected)));
    }

    /// Adds the counts of other draws.
    pub(super) fn merge(&mut self, other: &Self) {
        for (own, other) in self.outcomes.iter_mut().zip(&other.outcomes) {
            own.iter_mut().zip(other).for_each(|(own, other)| own.merge(*other));
        }
        self.ratio.merge(other.ratio);
        self.sequential_ratio.merge(other.sequential_ratio);
    }
}
