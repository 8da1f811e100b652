//! Dates and instants as people read them. What is not in ISO form is shown as it is.

use crate::document::{PeriodUnit, Span};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// "2026-10-05T02:00:00+02:00" is "5 Oct 2026, 02:00 UTC+02:00".
pub(super) fn instant(rfc3339: &str) -> String {
    parsed_instant(rfc3339).unwrap_or_else(|| rfc3339.to_owned())
}

/// "2026-10-05" is "5 Oct".
pub(super) fn day(iso: &str) -> String {
    Day::parsed(iso).map_or_else(|| iso.to_owned(), |day| day.words(false))
}

/// Its label, or else its dates.
pub(super) fn span_name(span: &Span) -> String {
    if span.label.trim().is_empty() { span_dates(span) } else { span.label.clone() }
}

/// Its first and last day: "28 Sep to 4 Oct 2026".
pub(super) fn span_dates(span: &Span) -> String {
    match (Day::parsed(&span.from), Day::parsed(&span.to).and_then(Day::before)) {
        (Some(first), Some(last)) if first == last => first.words(true),
        (Some(first), Some(last)) => {
            format!("{} to {}", first.words(first.year != last.year), last.words(true))
        }
        _ => format!("{} up to {}", span.from, span.to),
    }
}

/// "week", "month", ...
pub(super) fn unit_noun(unit: PeriodUnit) -> &'static str {
    match unit {
        PeriodUnit::Day => "day",
        PeriodUnit::Week => "week",
        PeriodUnit::Month => "month",
        PeriodUnit::Quarter => "quarter",
        PeriodUnit::Year => "year",
    }
}

#[derive(Clone, Copy, PartialEq)]
struct Day {
    year: u16,
    /// From 1 to 12.
    month: usize,
    day: u8,
}

impl Day {
    fn parsed(iso: &str) -> Option<Self> {
        let mut parts = iso.splitn(3, '-');
        let (year, month, day) =
            (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        (1..=12).contains(&month).then_some(Self { year, month, day })
    }

    fn before(self) -> Option<Self> {
        let is_leap =
            self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let last_of = |month| match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        match (self.month, self.day) {
            (1, 1) => Some(Self { year: self.year.checked_sub(1)?, month: 12, day: 31 }),
            (month, 1) => Some(Self { month: month - 1, day: last_of(month - 1), ..self }),
            (_, day) => Some(Self { day: day.checked_sub(1)?, ..self }),
        }
    }

    fn words(self, with_year: bool) -> String {
        let month = MONTHS.get(self.month - 1).copied().unwrap_or_default();
        let year = if with_year { format!("\u{a0}{}", self.year) } else { String::new() };
        format!("{}\u{a0}{month}{year}", self.day)
    }
}

fn parsed_instant(rfc3339: &str) -> Option<String> {
    let (day, rest) = rfc3339.split_once(['T', ' '])?;
    let rest = rest.split('[').next()?;
    let clock = rest.get(..5).filter(|clock| clock.as_bytes().get(2) == Some(&b':'))?;
    let zone =
        rest.get(5..)?.trim_start_matches([':', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    let zone = if zone.eq_ignore_ascii_case("z") { "" } else { zone };
    Some(format!("{}, {clock} UTC{zone}", Day::parsed(day)?.words(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_becomes_words() {
        let cases = [
            ("2026-10-05T02:00:00Z", "5 Oct 2026, 02:00 UTC"),
            ("2026-10-05T02:00:00.123+02:00[Europe/Berlin]", "5 Oct 2026, 02:00 UTC+02:00"),
            ("yesterday", "yesterday"),
            ("2026-13-05T02:00:00Z", "2026-13-05T02:00:00Z"),
        ];
        for (given, expected) in cases {
            assert_eq!(instant(given).replace('\u{a0}', " "), expected);
        }
    }

    #[test]
    fn spans_name_their_last_day() {
        let cases = [
            ("2026-09-28", "2026-10-05", "28 Sep to 4 Oct 2026"),
            ("2025-12-01", "2026-01-01", "1 Dec to 31 Dec 2025"),
            ("2023-12-01", "2024-03-01", "1 Dec 2023 to 29 Feb 2024"),
            ("2026-10-04", "2026-10-05", "4 Oct 2026"),
            ("soon", "later", "soon up to later"),
        ];
        for (from, to, expected) in cases {
            let span = Span { from: from.into(), to: to.into(), label: String::new() };
            assert_eq!(span_dates(&span).replace('\u{a0}', " "), expected);
        }
    }
}
