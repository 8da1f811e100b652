//! Days, as an experiment counts them: of UTC.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const LENGTH: SignedDuration = SignedDuration::from_hours(24);

/// A day of UTC, from midnight up to and without the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(i64);

impl Day {
    /// The day of an instant.
    pub(crate) fn of(at: Timestamp) -> Self {
        Self(at.as_microsecond().div_euclid(24 * 3_600_000_000))
    }

    /// Every day with an instant in [from, to).
    pub(crate) fn within(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Self> {
        let first = Self::of(from).0;
        let last = to.checked_sub(SignedDuration::from_micros(1)).ok().filter(|_| from < to).map(|last| Self::of(last).0);
        (first..last.map_or(first, |last| last + 1)).map(Self)
    }

    /// Its first instant.
    pub(crate) fn start(self) -> Timestamp {
        Timestamp::from_second(self.0 * 86_400).unwrap_or(Timestamp::MIN)
    }

    /// The first instant of the next day.
    pub(crate) fn end(self) -> Timestamp {
        self.start().checked_add(LENGTH).unwrap_or(Timestamp::MAX)
    }

    /// Days from `other` to this one.
    pub(crate) fn since(self, other: Self) -> i64 {
        self.0 - other.0
    }

    pub(crate) fn date(self) -> Date {
        self.start().to_zoned(TimeZone::UTC).date()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(from: &str, to: &str) -> Vec<String> {
        let days = Day::within(from.parse().unwrap(), to.parse().unwrap());
        days.map(|day| day.date().to_string()).collect()
    }

    #[test]
    fn a_day_counts_with_its_first_instant_and_not_with_the_first_of_the_next() {
        assert_eq!(dates("2026-09-01T00:00:00Z", "2026-09-03T00:00:00Z"), ["2026-09-01", "2026-09-02"]);
        assert_eq!(dates("2026-09-01T23:59:59Z", "2026-09-02T00:00:01Z"), ["2026-09-01", "2026-09-02"]);
        assert_eq!(dates("1969-12-31T12:00:00Z", "1970-01-01T12:00:00Z"), ["1969-12-31", "1970-01-01"]);
        assert!(dates("2026-09-01T00:00:00Z", "2026-09-01T00:00:00Z").is_empty());
        assert!(dates("2026-09-02T00:00:00Z", "2026-09-01T00:00:00Z").is_empty());
        let day = Day::of("2026-09-01T12:00:00Z".parse().unwrap());
        assert_eq!((Day::of(day.end()).since(day), Day::of(day.start())), (1, day));
    }
}
