//! How many units were first exposed on each day, and whether they came as they should.

use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tranche_scorecard::{HealthCheck, Severity, TrafficRow};
use tranche_segment::EVERYONE;
use tranche_stats::{exact_sample_ratio, expected_empty};

use super::thresholds::{LEAST_EXPECTED, THRESHOLD};
use crate::calendar::{Day, Days};
use crate::counts::as_number;
use crate::definition::{Experiment, VariantIndex};
use crate::units::exposed::Exposed;

/// At most so many days are named in a finding.
const MOST_NAMED: usize = 5;

/// The units of each day of the period so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Traffic<'a> {
    /// The variants with their planned shares.
    variants: &'a IndexMap<String, f64>,
    /// With the units of each variant, in the experiment's order, and whether all of the day lies in the
    /// period and has passed.
    days: Vec<(Day, Vec<u64>, bool)>,
}

impl<'a> Traffic<'a> {
    /// Counts the first exposures of an experiment up to `as_of`.
    pub(super) fn of(experiment: &'a Experiment, units: &Exposed, as_of: Timestamp) -> Self {
        let first = units.at.iter().copied().zip(units.variants.iter().copied());
        Self::new(&experiment.variants, (experiment.from, experiment.to.min(as_of)), &experiment.zone, first)
    }

    /// Counts first exposures, each with its instant and the place of its variant, within [from, until).
    fn new(
        variants: &'a IndexMap<String, f64>,
        (from, until): (Timestamp, Timestamp),
        zone: &TimeZone,
        exposures: impl Iterator<Item = (Timestamp, VariantIndex)>,
    ) -> Self {
        let calendar = Days::within((from, until), zone);
        let is_whole = |day: Day| day.start >= from && day.end <= until;
        let mut days: Vec<(Day, Vec<u64>, bool)> =
            calendar.iter().map(|day| (day, vec![0; variants.len()], is_whole(day))).collect();
        for (at, variant) in exposures {
            if let Some(place) = calendar.place(at) {
                days[place].1[variant.0] += 1;
            }
        }
        Self { variants, days }
    }

    /// A row for each day and variant, also where there are no units.
    pub(super) fn rows(&self) -> Vec<TrafficRow> {
        let of_day = |(day, counts, _): &(Day, Vec<u64>, bool)| -> Vec<TrafficRow> {
            let day = day.date;
            let variants = self.variants.keys().zip(counts);
            variants
                .map(|(variant, units)| TrafficRow { day, variant: variant.clone(), units: *units })
                .collect()
        };
        self.days.iter().flat_map(of_day).collect()
    }

    pub(super) fn checks(&self) -> Vec<HealthCheck> {
        self.daily_split().into_iter().chain(self.gaps()).collect()
    }

    /// The split of each day that has enough units.
    fn daily_split(&self) -> Option<HealthCheck> {
        let shares: Vec<f64> = self.variants.values().copied().collect();
        let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
        let large = self
            .days
            .iter()
            .filter(|(_, counts, _)| as_number(counts.iter().sum()) * least >= LEAST_EXPECTED);
        let tested: Vec<(Day, &Vec<u64>, f64)> = large
            .filter_map(|(day, counts, _)| Some((*day, counts, exact_sample_ratio(counts, &shares).value()?)))
            .collect();
        let lowest = tested.iter().map(|(_, _, p)| *p).reduce(f64::min)?;
        let threshold = THRESHOLD / as_number(tested.len() as u64);
        let departing: Vec<String> = tested
            .iter()
            .filter(|(_, _, p)| *p < threshold)
            .map(|(day, counts, p)| format!("on {} {} (p = {p:.2e})", day.date, self.split_text(counts)))
            .collect();
        let finding = if departing.is_empty() {
            format!("units were split as planned on each of {} days (least p = {lowest:.2e})", tested.len())
        } else {
            format!(
                "units were not split as planned on {} of {} days: {}",
                departing.len(),
                tested.len(),
                named(&departing)
            )
        };
        Some(HealthCheck {
            p: Some(lowest),
            threshold: Some(threshold),
            ..HealthCheck::gate("daily_sample_ratio", EVERYONE, departing.is_empty(), finding, SPLIT_ADVICE)
        })
    }

    /// "40 in `a` and 80 in `b`".
    fn split_text(&self, counts: &[u64]) -> String {
        let counts: Vec<String> = self
            .variants
            .keys()
            .zip(counts)
            .map(|(variant, count)| format!("{count} in `{variant}`"))
            .collect();
        counts.join(" and ")
    }

    /// Days without a unit, of an experiment that has units on most days and so many that chance does not
    /// leave one out.
    fn gaps(&self) -> Option<HealthCheck> {
        let whole: Vec<(Day, u64)> = self
            .days
            .iter()
            .filter(|(_, _, whole)| *whole)
            .map(|(day, counts, _)| (*day, counts.iter().sum()))
            .collect();
        let days = whole.len();
        let units: u64 = whole.iter().map(|(_, units)| units).sum();
        let empty: Vec<String> =
            whole.iter().filter(|(_, units)| *units == 0).map(|(day, _)| day.date.to_string()).collect();
        if units == 0 {
            return None;
        }
        let is_steady = 2 * empty.len() < whole.len();
        let ok = empty.is_empty() || !is_steady || expected_empty(units, days as u64) >= THRESHOLD;
        let finding = match empty.len() {
            0 => format!("units were exposed on each of {days} days"),
            some => format!("no unit was exposed on {some} of {days} days: {}", named(&empty)),
        };
        Some(HealthCheck {
            severity: Severity::Warning,
            ..HealthCheck::gate("traffic", EVERYONE, ok, finding, GAPS_ADVICE)
        })
    }
}

const SPLIT_ADVICE: &str = "find out what was deployed, disabled or logged late in a variant on these days; measure again when \
                            their exposures are correct, or let the period begin after them";

const GAPS_ADVICE: &str = "find out whether exposures of those days were lost or not loaded yet, or whether the experiment was \
                           paused: units that come after a pause may differ from those before it";

fn named(items: &[String]) -> String {
    let more = items.len().saturating_sub(MOST_NAMED);
    let first = items.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

#[cfg(test)]
#[path = "traffic_tests.rs"]
mod tests;
