//! Slots out of a cron expression and a time zone.
//!
//! A cron expression speaks of local clock times, and a local clock jumps. One rule settles every jump: *a
//! slot is the first instant at which the local clock has come to its time, or beyond it*. So a time that a
//! jump leaves out fires once, just after the jump, together with all others it left out; and a time that a
//! clock shows twice fires once, at the first.
//!
//! Cron expressions are therefore matched against local times alone, and only what matches is placed in the
//! zone.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::parser::{CronParser, Year};
use croner::{CivilDateTime, Cron, CronDateTime, Resolution, Weekday};
use jiff::civil::{DateTime, date};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

/// A cron expression, read on the clock of a zone.
#[derive(Debug, Clone)]
pub struct Calendar {
    cron: Cron,
    text: String,
    zone: TimeZone,
}

/// A change of a zone's clock around a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DstClass {
    /// There is none.
    Normal,
    /// The clock has just jumped forwards, over at least one time that the expression names: the slot stands
    /// for all of them.
    Gap,
    /// The clock shows the slot's local time twice: the slot is the first.
    Overlap,
}

impl Calendar {
    /// The slots of a cron expression in a zone.
    ///
    /// # Errors
    /// A message about the mistake in the expression.
    pub fn new(cron: &str, zone: TimeZone) -> Result<Self, String> {
        const FORM: &str =
            "write minute, hour, day of month, month and day of week, or those five with seconds first";
        let text = cron.trim().to_owned();
        if !(5..=6).contains(&text.split_whitespace().count()) {
            return Err(format!("`{text}` is not a cron expression; {FORM}"));
        }
        let parser = CronParser::builder().year(Year::Disallowed).build();
        let cron = parser
            .parse(&text)
            .map_err(|error| format!("`{text}` is not a cron expression ({}); {FORM}", reason(&error)))?;
        // From any date on, the calendar repeats every 400 years: an expression that finds nothing from here
        // never will.
        if cron.find_next_occurrence(&Local(date(2000, 1, 1).at(0, 0, 0, 0)), true).is_err() {
            return Err(format!("`{text}` never comes: no date fits it"));
        }
        Ok(Self { cron, text, zone })
    }

    /// The cron expression as written.
    #[must_use]
    pub fn cron(&self) -> &str {
        &self.text
    }

    /// The zone whose clock it follows.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The latest slot that is not after `instant`.
    #[must_use]
    pub fn latest_at_or_before(&self, instant: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_previous_occurrence(&Local(self.clock_reached(instant)), true).ok()?;
        self.slot_of(found.0)
    }

    /// The first slot after `instant`.
    #[must_use]
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&Local(self.clock_reached(instant)), false).ok()?;
        self.slot_of(found.0)
    }

    /// The slots in `[from, to)`, oldest first.
    pub fn slots(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
        let first =
            self.latest_at_or_before(from).filter(|slot| *slot == from).or_else(|| self.next_after(from));
        std::iter::successors(first, |slot| self.next_after(*slot)).take_while(move |slot| *slot < to)
    }

    /// The change of the zone's clock around a slot of this calendar.
    #[must_use]
    pub fn dst_class(&self, slot: Timestamp) -> DstClass {
        let shown = self.zone.to_datetime(slot);
        if matches!(self.zone.to_ambiguous_timestamp(shown).offset(), AmbiguousOffset::Fold { .. }) {
            return DstClass::Overlap;
        }
        let second = SignedDuration::from_secs(1);
        let Ok(just_before) = slot.checked_sub(second) else { return DstClass::Normal };
        // What the clock would show now, had it not jumped.
        let Ok(expected) = self.zone.to_datetime(just_before).checked_add(second) else {
            return DstClass::Normal;
        };
        let named = self.cron.find_next_occurrence(&Local(expected), true).ok().map(|found| found.0);
        if expected < shown && named.is_some_and(|named| named < shown) {
            DstClass::Gap
        } else {
            DstClass::Normal
        }
    }

    /// The furthest local time that the clock has come to by `instant`. This is what it shows, except in the
    /// second pass of an overlap: there it is the end of the first.
    fn clock_reached(&self, instant: Timestamp) -> DateTime {
        let shown = self.zone.to_datetime(instant);
        let AmbiguousOffset::Fold { before, after } = self.zone.to_ambiguous_timestamp(shown).offset() else {
            return shown;
        };
        if self.zone.to_offset(instant) == before {
            return shown;
        }
        let second = SignedDuration::from_secs(1);
        let just_after = instant.checked_add(second).unwrap_or(instant);
        let set_back = self.zone.preceding(just_after).find(|transition| transition.offset() == after);
        let first_pass_end = set_back
            .and_then(|transition| before.to_datetime(transition.timestamp()).checked_sub(second).ok());
        first_pass_end.unwrap_or(shown)
    }

    /// The first instant at which the clock has come to a local time.
    fn slot_of(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        let offset = ambiguous.offset();
        let earlier = ambiguous.earlier().ok()?;
        match offset {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => Some(earlier),
            AmbiguousOffset::Gap { after, .. } => {
                let jump = self.zone.following(earlier).find(|transition| transition.offset() == after)?;
                Some(jump.timestamp())
            }
        }
    }
}

fn reason(error: &CronError) -> String {
    let shown = error.to_string();
    let reason = shown.split_once(": ").map_or(shown.as_str(), |(_, reason)| reason).trim_end_matches('.');
    let reason = reason.strip_prefix("CronPattern contains ").unwrap_or(reason);
    let mut letters = reason.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A local time without a zone, which croner searches as if no clock ever jumped.
#[derive(Clone)]
struct Local(DateTime);

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let part = |value: i8| u32::from(value.unsigned_abs());
        let (d, t) = (self.0.date(), self.0.time());
        CivilDateTime::new(
            croner::CivilDate::from_parts_unchecked(i32::from(d.year()), part(d.month()), part(d.day())),
            croner::CivilTime::from_parts_unchecked(part(t.hour()), part(t.minute()), part(t.second())),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(u32::from(self.0.weekday().to_sunday_zero_offset().unsigned_abs()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let part = |value: u32| i8::try_from(value).map_err(|_| CronError::InvalidDate);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let time = (part(civil.hour())?, part(civil.minute())?, part(civil.second())?);
        let local = DateTime::new(year, part(civil.month())?, part(civil.day())?, time.0, time.1, time.2, 0);
        Ok(Resolution::Single(Self(local.map_err(|_| CronError::InvalidDate)?)))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(cron: &str, zone: &str) -> Calendar {
        Calendar::new(cron, TimeZone::get(zone).unwrap()).unwrap()
    }

    fn check(cron: &str, zone: &str, from: &str, to: &str, expected: &[&str]) {
        let slots: Vec<String> = calendar(cron, zone)
            .slots(from.parse().unwrap(), to.parse().unwrap())
            .map(|slot| slot.to_string())
            .collect();
        assert_eq!(slots, expected, "{cron} in {zone}");
    }

    #[test]
    fn a_time_in_a_gap_fires_once_just_after_it() {
        let (from, to) = ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
        check("30 2 * * *", "Europe/Berlin", from, to, &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        // 02:00, 02:30 and 03:00 are one instant, so one slot.
        let night = ("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z");
        let half_hours =
            ["2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"];
        check("*/30 * * * *", "Europe/Berlin", night.0, night.1, &half_hours);
        let (from, to) = ("2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z");
        check("15 2 * * *", "America/New_York", from, to, &["2026-03-08T07:00:00Z", "2026-03-09T06:15:00Z"]);
    }

    #[test]
    fn a_time_in_an_overlap_fires_once_the_first_time() {
        let (from, to) = ("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
        check("30 2 * * *", "Europe/Berlin", from, to, &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        // Each local time of the repeated hour once: 02:00 and 02:30 summer time, then 03:00 winter time.
        let night = ("2026-10-25T00:00:00Z", "2026-10-25T02:30:00Z");
        check(
            "*/30 * * * *",
            "Europe/Berlin",
            night.0,
            night.1,
            &["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"],
        );
        let (from, to) = ("2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z");
        check("15 1 * * *", "America/New_York", from, to, &["2026-11-01T05:15:00Z", "2026-11-02T06:15:00Z"]);
    }

    #[test]
    fn a_day_that_a_zone_leaves_out_fires_just_after_it() {
        let (from, to) = ("2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z");
        let slots = ["2011-12-29T18:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T18:00:00Z"];
        check("0 8 * * *", "Pacific/Apia", from, to, &slots);
    }

    #[test]
    fn cron_is_read_as_everyone_reads_it() {
        let (from, to) = ("2026-02-26T00:00:00Z", "2026-03-03T00:00:00Z");
        check("0 6 L * *", "UTC", from, to, &["2026-02-28T06:00:00Z"]);
        check("0 6 * * MON-TUE", "UTC", from, to, &["2026-03-02T06:00:00Z"]);
        check("30 0 6 1 * *", "UTC", from, to, &["2026-03-01T06:00:30Z"]);
        check("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z", &["2028-02-29T00:00:00Z"]);
    }

    #[test]
    fn an_invalid_cron_expression_says_why() {
        for (cron, part) in [
            ("61 2 * * *", "`61 2 * * *` is not a cron expression ("),
            ("* * * *", "is not a cron expression; write minute"),
            ("@daily", "is not a cron expression; write minute"),
            ("0 0 2 * * * 2027", "is not a cron expression; write minute"),
            ("every day at two o'clock", "is not a cron expression (illegal character"),
            ("", "is not a cron expression"),
            ("0 0 30 2 *", "`0 0 30 2 *` never comes"),
        ] {
            let message = Calendar::new(cron, TimeZone::UTC).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    /// Walks the clock minute by minute and takes the rule at its word, then asks the calendar about each of
    /// those minutes.
    #[test]
    fn slots_are_what_a_walk_along_the_clock_finds() {
        let minute = SignedDuration::from_mins(1);
        for (zone, day) in [
            ("Europe/Berlin", "2026-03-29T00:00:00Z"),
            ("Europe/Berlin", "2026-10-25T00:00:00Z"),
            ("America/New_York", "2026-03-08T00:00:00Z"),
            ("America/New_York", "2026-11-01T00:00:00Z"),
            ("Australia/Lord_Howe", "2026-04-04T12:00:00Z"),
            ("Africa/Casablanca", "2026-03-22T00:00:00Z"),
            ("Pacific/Apia", "2011-12-30T00:00:00Z"),
            ("Asia/Kolkata", "2026-10-25T00:00:00Z"),
        ] {
            for cron in [
                "*/15 * * * *",
                "7,37 * * * *",
                "0 * * * *",
                "30 1,2 * * *",
                "15 */6 * * *",
                "0 3 * * SUN",
                "0 0 * * *",
            ] {
                let calendar = calendar(cron, zone);
                let day: Timestamp = day.parse().unwrap();
                let (from, to) = (day - SignedDuration::from_hours(24), day + SignedDuration::from_hours(48));
                let mut reached = calendar.zone.to_datetime(from - SignedDuration::from_hours(48));
                let mut latest = None;
                let mut instant = from - SignedDuration::from_hours(48);
                while instant < to {
                    let shown = calendar.zone.to_datetime(instant);
                    let mut fires = false;
                    while reached < shown {
                        reached += minute;
                        fires |= calendar.cron.is_time_matching(&Local(reached)).unwrap();
                    }
                    if fires {
                        if let Some(before) = latest {
                            assert_eq!(
                                calendar.next_after(before),
                                Some(instant),
                                "{cron} in {zone} after {before}"
                            );
                        }
                        latest = Some(instant);
                    }
                    if latest.is_some() {
                        assert_eq!(
                            calendar.latest_at_or_before(instant),
                            latest,
                            "{cron} in {zone} at {instant}"
                        );
                        let within = instant + SignedDuration::from_millis(59_500);
                        assert_eq!(
                            calendar.latest_at_or_before(within),
                            latest,
                            "{cron} in {zone} at {within}"
                        );
                        assert!(
                            calendar.next_after(within).is_some_and(|next| next > within),
                            "{cron} in {zone} at {within}"
                        );
                    }
                    instant += minute;
                }
            }
        }
    }
}
