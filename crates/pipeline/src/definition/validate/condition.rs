//! Validation of `when:` of a step.

use jiff::civil::Weekday;
use tranche_project::Spanned;

use super::Check;
use crate::definition::condition::{Condition, MonthDay};
use crate::definition::spec::WhenSpec;

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

impl Check<'_> {
    pub(super) fn condition(&mut self, spec: &WhenSpec, needs: &[Spanned<String>]) -> Condition {
        let weekdays = spec.weekday.iter().filter_map(|day| self.weekday(day)).collect();
        let days = spec.day.iter().filter_map(|day| self.month_day(day)).collect();
        for step in spec.rows_of.iter().filter(|step| !needs.iter().any(|need| need.value == step.value)) {
            self.report(
                step,
                format!("`{}` is not among the step's `needs`; it may not have run yet", step.value),
            );
        }
        let rows_of = spec.rows_of.iter().map(|step| step.value.clone()).collect();
        Condition { weekdays, days, rows_of, zone: self.settings.timezone.clone() }
    }

    fn weekday(&mut self, text: &Spanned<String>) -> Option<Weekday> {
        let found = WEEKDAYS.iter().find(|(name, _)| *name == text.value.to_lowercase()).map(|(_, day)| *day);
        if found.is_none() {
            self.report(
                text,
                format!("`{}` is no day of the week; write mon, tue, wed, thu, fri, sat or sun", text.value),
            );
        }
        found
    }

    fn month_day(&mut self, text: &Spanned<String>) -> Option<MonthDay> {
        if text.value == "last" {
            return Some(MonthDay::Last);
        }
        let number = text.value.parse().ok().filter(|number| (1..=31).contains(number));
        if number.is_none() {
            self.report(text, format!("`{}` is no day of a month; write 1 to 31, or `last`", text.value));
        }
        number.map(MonthDay::Number)
    }
}
