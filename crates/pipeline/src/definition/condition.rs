//! `when:` of a step: what must hold for it to be run. Everything that is written must hold.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// The conditions under which a step is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The run's `as_of` is on one of these days of the week; empty for all.
    pub weekdays: Vec<Weekday>,
    /// It is on one of these days of the month; empty for all.
    pub days: Vec<MonthDay>,
    /// These steps wrote at least one row, together; empty for no such condition. They are among the step's
    /// needs.
    pub rows_of: Vec<String>,
    /// The time zone of its days.
    pub zone: TimeZone,
}

/// A day of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonthDay {
    /// From 1 to 31; a month that is shorter does not have it.
    Number(i8),
    /// The last.
    Last,
}

impl Condition {
    /// Why the step is not run; `None` when it is. `rows_written` returns the number of rows that another
    /// step of the run wrote.
    #[must_use]
    pub fn refusal(&self, as_of: Timestamp, rows_written: impl Fn(&str) -> u64) -> Option<String> {
        let day = self.zone.to_datetime(as_of).date();
        if !self.weekdays.is_empty() && !self.weekdays.contains(&day.weekday()) {
            return Some(format!("when: {day} is a {:?}", day.weekday()));
        }
        let is_day = |wanted: &MonthDay| match wanted {
            MonthDay::Number(number) => *number == day.day(),
            MonthDay::Last => day == day.last_of_month(),
        };
        if !self.days.is_empty() && !self.days.iter().any(is_day) {
            return Some(format!("when: {day} is day {} of its month", day.day()));
        }
        if !self.rows_of.is_empty() && self.rows_of.iter().all(|step| rows_written(step) == 0) {
            return Some(format!("when: no rows were written or removed by {}", self.rows_of.join(", ")));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_written_must_hold() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let none = Condition { weekdays: vec![], days: vec![], rows_of: vec![], zone: berlin };
        let mondays = Condition { weekdays: vec![Weekday::Monday], ..none.clone() };
        let firsts_and_lasts = Condition { days: vec![MonthDay::Number(1), MonthDay::Last], ..none.clone() };
        let loaded = Condition { rows_of: vec!["load".into()], ..mondays.clone() };
        let refusal = |condition: &Condition, as_of: &str, rows: u64| {
            condition.refusal(as_of.parse().unwrap(), |step| if step == "load" { rows } else { 0 })
        };
        assert_eq!(refusal(&none, "2026-11-03T12:00:00Z", 0), None);
        // In Berlin it is Monday already.
        assert_eq!(refusal(&mondays, "2026-11-01T23:30:00Z", 0), None);
        assert_eq!(
            refusal(&mondays, "2026-11-03T12:00:00Z", 0).as_deref(),
            Some("when: 2026-11-03 is a Tuesday")
        );
        assert_eq!(refusal(&firsts_and_lasts, "2026-11-30T12:00:00Z", 0), None);
        assert_eq!(refusal(&firsts_and_lasts, "2026-10-31T23:30:00Z", 0), None);
        let refused = refusal(&firsts_and_lasts, "2026-11-29T12:00:00Z", 0);
        assert_eq!(refused.as_deref(), Some("when: 2026-11-29 is day 29 of its month"));
        assert_eq!(refusal(&loaded, "2026-11-02T12:00:00Z", 5), None);
        assert_eq!(
            refusal(&loaded, "2026-11-02T12:00:00Z", 0).as_deref(),
            Some("when: no rows were written or removed by load")
        );
    }
}
