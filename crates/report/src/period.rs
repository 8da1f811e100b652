//! Periods of the calendar in a time zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span as Length, Timestamp, ToSpan};

use crate::definition::{Report, Section};
use crate::document::{PeriodUnit, Span};

/// Periods that a trend shows.
const TREND_PERIODS: usize = 12;

/// The periods that a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Periods {
    /// The last that is complete.
    pub(crate) current: Days,
    /// The one that it is compared with.
    pub(crate) compared: Days,
    /// Those before the current one that a trend shows, oldest first; none where no trend is shown.
    pub(crate) earlier: Vec<Days>,
}

impl Periods {
    /// The periods of a report at an instant.
    pub(crate) fn of(report: &Report, as_of: Timestamp, zone: &TimeZone) -> Self {
        let current = Days::last_complete(report.unit, as_of, zone);
        let compared = if report.last_year { current.last_year() } else { current.previous() };
        let shown = if report.shows(Section::Trends) { TREND_PERIODS } else { 0 };
        let back = std::iter::successors(Some(current), |days| Some(days.previous()));
        let mut earlier: Vec<Days> = back.take(shown).skip(1).collect();
        earlier.reverse();
        Self { current, compared, earlier }
    }
}

/// A period: from its first day to the day after its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days {
    pub(crate) from: Date,
    pub(crate) to: Date,
    unit: PeriodUnit,
}

impl Days {
    /// The last period that is complete at an instant.
    pub(crate) fn last_complete(unit: PeriodUnit, as_of: Timestamp, zone: &TimeZone) -> Self {
        let today = as_of.to_zoned(zone.clone()).date();
        let to = match unit {
            PeriodUnit::Day => today,
            PeriodUnit::Week => {
                today.saturating_sub(i32::from(today.weekday().to_monday_zero_offset()).days())
            }
            PeriodUnit::Month => today.first_of_month(),
            PeriodUnit::Quarter => first_of_quarter(today),
            PeriodUnit::Year => today.first_of_year(),
        };
        Self { from: to.saturating_sub(length(unit)), to, unit }
    }

    /// The period before.
    pub(crate) fn previous(self) -> Self {
        Self { from: self.from.saturating_sub(length(self.unit)), to: self.from, unit: self.unit }
    }

    /// The same period of the year before: weeks by 52 weeks, so that weekdays agree.
    pub(crate) fn last_year(self) -> Self {
        let year =
            if matches!(self.unit, PeriodUnit::Day | PeriodUnit::Week) { 52.weeks() } else { 1.year() };
        Self { from: self.from.saturating_sub(year), to: self.to.saturating_sub(year), unit: self.unit }
    }

    /// Its first instant, and the first after it.
    pub(crate) fn instants(self, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let start =
            |date: Date| date.to_zoned(zone.clone()).map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp());
        (start(self.from), start(self.to))
    }

    /// As the document shows it.
    pub(crate) fn span(self) -> Span {
        let label = match self.unit {
            PeriodUnit::Day => self.from.strftime("%-d %b").to_string(),
            PeriodUnit::Week => self.from.strftime("Week %-V").to_string(),
            PeriodUnit::Month => self.from.strftime("%b %Y").to_string(),
            PeriodUnit::Quarter => format!("Q{} {}", (self.from.month() - 1) / 3 + 1, self.from.year()),
            PeriodUnit::Year => self.from.year().to_string(),
        };
        Span { from: self.from.to_string(), to: self.to.to_string(), label }
    }
}

fn length(unit: PeriodUnit) -> Length {
    match unit {
        PeriodUnit::Day => 1.day(),
        PeriodUnit::Week => 1.week(),
        PeriodUnit::Month => 1.month(),
        PeriodUnit::Quarter => 3.months(),
        PeriodUnit::Year => 1.year(),
    }
}

fn first_of_quarter(date: Date) -> Date {
    let back = (date.month() - 1) % 3;
    date.first_of_month().saturating_sub(i32::from(back).months())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_complete_period_ends_at_or_before_the_instant() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (unit, as_of, from, to, label) in [
            (PeriodUnit::Month, "2026-11-01T00:00:00Z", "2026-10-01", "2026-11-01", "Oct 2026"),
            (PeriodUnit::Month, "2026-10-31T22:30:00Z", "2026-09-01", "2026-10-01", "Sep 2026"),
            (PeriodUnit::Month, "2026-10-31T23:00:00Z", "2026-10-01", "2026-11-01", "Oct 2026"),
            (PeriodUnit::Week, "2026-11-04T12:00:00Z", "2026-10-26", "2026-11-02", "Week 44"),
            (PeriodUnit::Quarter, "2026-11-04T12:00:00Z", "2026-07-01", "2026-10-01", "Q3 2026"),
            (PeriodUnit::Day, "2026-11-04T12:00:00Z", "2026-11-03", "2026-11-04", "3 Nov"),
        ] {
            let days = Days::last_complete(unit, as_of.parse().unwrap(), &berlin).span();
            assert_eq!(
                (days.from.as_str(), days.to.as_str(), days.label.as_str()),
                (from, to, label),
                "{as_of}"
            );
        }
    }

    #[test]
    fn periods_step_back_by_the_calendar() {
        let days =
            Days::last_complete(PeriodUnit::Month, "2026-04-10T00:00:00Z".parse().unwrap(), &TimeZone::UTC);
        assert_eq!(days.previous().span().from, "2026-02-01");
        assert_eq!(days.last_year().span().from, "2025-03-01");
    }
}
