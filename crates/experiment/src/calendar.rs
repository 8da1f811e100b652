//! The days of an experiment, by the calendar of the project's time zone.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Days one after the other, from the one that holds the first instant of a period to the one that holds its
/// last.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Days {
    days: Vec<Day>,
}

/// A day, from its first instant up to and without that of the next one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Day {
    pub(crate) date: Date,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
}

impl Days {
    /// The days with an instant in [from, until).
    pub(crate) fn within((from, until): (Timestamp, Timestamp), zone: &TimeZone) -> Self {
        let start = |date: Date| {
            date.to_zoned(zone.clone()).map(|midnight| midnight.timestamp()).unwrap_or(Timestamp::MAX)
        };
        let first = from.to_zoned(zone.clone()).date();
        let dates = std::iter::successors(Some(first), |date| date.tomorrow().ok());
        let days = dates.map(|date| Day {
            date,
            start: start(date),
            end: date.tomorrow().map_or(Timestamp::MAX, start),
        });
        Self { days: days.take_while(|day| from < until && day.start < until).collect() }
    }

    /// The place of the day that an instant is in, if it is one of these.
    pub(crate) fn place(&self, at: Timestamp) -> Option<usize> {
        let place = self.days.partition_point(|day| day.end <= at);
        self.days.get(place).filter(|day| day.start <= at).map(|_| place)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Day> {
        self.days.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(from: &str, until: &str, zone: &str) -> Days {
        Days::within((from.parse().unwrap(), until.parse().unwrap()), &TimeZone::get(zone).unwrap())
    }

    fn dates(days: &Days) -> Vec<String> {
        days.iter().map(|day| day.date.to_string()).collect()
    }

    #[test]
    fn a_day_counts_with_its_first_instant_and_not_with_the_first_of_the_next() {
        assert_eq!(
            dates(&days("2026-09-01T00:00:00Z", "2026-09-03T00:00:00Z", "UTC")),
            ["2026-09-01", "2026-09-02"]
        );
        assert_eq!(
            dates(&days("2026-09-01T23:59:59Z", "2026-09-02T00:00:01Z", "UTC")),
            ["2026-09-01", "2026-09-02"]
        );
        assert!(dates(&days("2026-09-01T00:00:00Z", "2026-09-01T00:00:00Z", "UTC")).is_empty());
        assert!(dates(&days("2026-09-02T00:00:00Z", "2026-09-01T00:00:00Z", "UTC")).is_empty());
    }

    /// In Berlin summer time ends on 25 October 2026: that day has 25 hours.
    #[test]
    fn days_are_those_of_the_zone() {
        let found = days("2026-10-23T22:00:00Z", "2026-10-26T22:59:59Z", "Europe/Berlin");
        assert_eq!(dates(&found), ["2026-10-24", "2026-10-25", "2026-10-26"]);
        let hours: Vec<i64> =
            found.iter().map(|day| (day.end.as_second() - day.start.as_second()) / 3600).collect();
        assert_eq!(hours, [24, 25, 24]);
        let place = |at: &str| found.place(at.parse().unwrap());
        assert_eq!(place("2026-10-23T21:59:59.999999Z"), None);
        assert_eq!(place("2026-10-23T22:00:00Z"), Some(0));
        assert_eq!(place("2026-10-25T22:59:59Z"), Some(1));
        assert_eq!(place("2026-10-25T23:00:00Z"), Some(2));
        assert_eq!(place("2026-10-26T23:00:00Z"), None);
    }
}
