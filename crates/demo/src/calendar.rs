//! The months of the demo and its instants: seconds since 1970, always UTC.

use std::fmt;

/// Seconds in a day.
pub(crate) const DAY: i64 = 86_400;

const MONTHS: u64 = 18;
const FIRST: (i64, i64) = (2025, 5);

/// One month of raw files.
#[derive(Debug, Clone)]
pub(crate) struct Month {
    /// `YYYY-MM`.
    pub(crate) name: String,
    /// 1 for the first month of the demo.
    pub(crate) number: u64,
    /// Its first instant.
    pub(crate) start: i64,
    /// The first instant after it.
    pub(crate) end: i64,
}

impl Month {
    /// Whether the instant lies in this month.
    pub(crate) fn contains(&self, at: i64) -> bool {
        (self.start..self.end).contains(&at)
    }
}

/// The months of the demo, in order.
pub(crate) fn months() -> impl Iterator<Item = Month> {
    let nth = |number: i64| {
        (FIRST.0 + (FIRST.1 - 1 + number).div_euclid(12), (FIRST.1 - 1 + number).rem_euclid(12) + 1)
    };
    (0..MONTHS).map(move |number| {
        let ((year, month), (next_year, next_month)) = (nth(number as i64), nth(number as i64 + 1));
        Month {
            name: format!("{year}-{month:02}"),
            number: number + 1,
            start: midnight(year, month, 1),
            end: midnight(next_year, next_month, 1),
        }
    })
}

/// The first instant of the demo.
pub(crate) fn beginning() -> i64 {
    midnight(FIRST.0, FIRST.1, 1)
}

/// The first instant after the demo.
pub(crate) fn end() -> i64 {
    months().last().map_or(beginning(), |month| month.end)
}

/// The start of a day of the proleptic Gregorian calendar (Hinnant, `days_from_civil`).
pub(crate) fn midnight(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468) * DAY
}

/// Year, month and day of an instant (Hinnant, `civil_from_days`).
pub(crate) fn date(at: i64) -> (i64, i64, i64) {
    let days = at.div_euclid(DAY) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = (shifted + 2) % 12 + 1;
    (era * 400 + year + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// Days since Monday, 0 to 6.
pub(crate) fn weekday(at: i64) -> usize {
    (at.div_euclid(DAY) + 3).rem_euclid(7) as usize
}

/// Writes an instant as `YYYY-MM-DD HH:MM:SS`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp(pub(crate) i64);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((year, month, day), second) = (date(self.0), self.0.rem_euclid(DAY));
        write!(
            f,
            "{year}-{month:02}-{day:02} {:02}:{:02}:{:02}",
            second / 3_600,
            second / 60 % 60,
            second % 60
        )
    }
}

/// Writes an instant as `YYYY-MM-DDTHH:MM:SSZ`, and no instant as nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zulu(pub(crate) Option<i64>);

impl fmt::Display for Zulu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = self.0 else { return Ok(()) };
        let ((year, month, day), second) = (date(at), at.rem_euclid(DAY));
        write!(
            f,
            "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            second / 3_600,
            second / 60 % 60,
            second % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_both_ways() {
        assert_eq!(midnight(1970, 1, 1), 0);
        assert_eq!(midnight(2026, 11, 1), 1_793_491_200);
        for day in -1_000..30_000 {
            let (year, month, of_month) = date(day * DAY);
            assert_eq!(midnight(year, month, of_month), day * DAY);
        }
    }

    #[test]
    fn eighteen_months_without_a_gap() {
        let months: Vec<Month> = months().collect();
        assert_eq!((months[0].name.as_str(), months[17].name.as_str()), ("2025-05", "2026-10"));
        assert!(months.windows(2).all(|pair| pair[0].end == pair[1].start));
    }

    #[test]
    fn instants_are_written_in_two_ways() {
        let at = midnight(2026, 9, 1) + 8 * 3_600 + 62;
        assert_eq!(
            (Stamp(at).to_string(), Zulu(Some(at)).to_string()),
            ("2026-09-01 08:01:02".into(), "2026-09-01T08:01:02Z".into())
        );
        assert_eq!((weekday(at), Zulu(None).to_string()), (1, String::new()));
    }
}
