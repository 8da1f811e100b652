//! The facts that saved state covers, so that none is counted twice, and the files that may hold others.

use std::collections::BTreeSet;
use std::ops::Range;

use arrow::buffer::BooleanBuffer;
use tranche_incremental::FileClass;

use crate::plan::{UnitIndex, Window};

/// The units whose facts before an instant are counted in saved state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Coverage {
    pub(crate) units: BooleanBuffer,
    /// Microseconds.
    pub(crate) before: i64,
}

impl Coverage {
    /// The same without some units.
    pub(crate) fn without(&self, units: &BTreeSet<usize>) -> Self {
        let is_left = |unit: usize| self.units.value(unit) && !units.contains(&unit);
        Self { units: BooleanBuffer::collect_bool(self.units.len(), is_left), before: self.before }
    }

    /// Whether a fact of a unit must be counted; in a removed file, whether it must be subtracted.
    pub(crate) fn needs(&self, class: FileClass, unit: UnitIndex, instant: i64) -> bool {
        let was_counted = || instant < self.before && self.units.value(unit.place());
        match class {
            FileClass::Added => true,
            FileClass::Kept => !was_counted(),
            FileClass::Removed => was_counted(),
        }
    }
}

/// The event times that matter in files of each class, in microseconds.
#[derive(Debug)]
pub(crate) struct RelevantTimes {
    added: Range<i64>,
    /// Apart from each other, and rising.
    kept: Vec<Range<i64>>,
    removed: Range<i64>,
}

const MICROSECONDS_OF_DAY: i64 = 86_400_000_000;

impl RelevantTimes {
    /// Times around the instants of units, up to `until`.
    pub(crate) fn new(at: &[i64], window: Window, until: i64, coverage: Option<&Coverage>) -> Self {
        let around = |first: i64, last: i64| {
            first.saturating_add(window.from)..last.saturating_add(window.to).min(until)
        };
        let all = at.iter().min().zip(at.iter().max()).map_or(0..0, |(first, last)| around(*first, *last));
        let Some(coverage) = coverage else {
            return Self { kept: vec![all.clone()], added: all, removed: 0..0 };
        };
        let uncovered = at.iter().enumerate().filter(|(unit, _)| !coverage.units.value(*unit));
        let mut days: Vec<i64> = uncovered.map(|(_, at)| at.div_euclid(MICROSECONDS_OF_DAY)).collect();
        days.sort_unstable();
        days.dedup();
        let of_day = |day: &i64| {
            let begin = day.saturating_mul(MICROSECONDS_OF_DAY);
            around(begin, begin.saturating_add(MICROSECONDS_OF_DAY - 1))
        };
        let since = coverage.before.max(all.start)..all.end;
        let removed = all.start..all.end.min(coverage.before);
        Self { kept: united(days.iter().map(of_day).chain([since])), added: all, removed }
    }

    /// Whether a file of a class with such event times matters.
    pub(crate) fn overlap(&self, class: FileClass, times: &Range<i64>) -> bool {
        let overlaps = |own: &Range<i64>| own.start < times.end && times.start < own.end && !own.is_empty();
        match class {
            FileClass::Added => overlaps(&self.added),
            FileClass::Kept => self.kept.iter().any(overlaps),
            FileClass::Removed => overlaps(&self.removed),
        }
    }
}

/// The same times in as few ranges as there can be.
fn united(ranges: impl Iterator<Item = Range<i64>>) -> Vec<Range<i64>> {
    let mut ranges: Vec<Range<i64>> = ranges.filter(|range| !range.is_empty()).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut united: Vec<Range<i64>> = Vec::new();
    for range in ranges {
        match united.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => united.push(range),
        }
    }
    united
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = MICROSECONDS_OF_DAY;

    #[test]
    fn covered_facts_are_not_counted_again() {
        let coverage = Coverage { units: BooleanBuffer::from(vec![true, false]), before: 10 };
        let needs = |class| {
            [(0, 9), (0, 10), (1, 9), (1, 10)]
                .map(|(unit, instant)| coverage.needs(class, UnitIndex(unit), instant))
        };
        assert_eq!(needs(FileClass::Added), [true; 4]);
        assert_eq!(needs(FileClass::Kept), [false, true, true, true]);
        assert_eq!(needs(FileClass::Removed), [true, false, false, false]);
    }

    #[test]
    fn files_matter_for_new_units_and_for_what_happened_since() {
        let at = [5 * DAY, 5 * DAY + 7, 40 * DAY, 41 * DAY];
        let window = Window { from: -DAY, to: 2 * DAY };
        let coverage =
            Coverage { units: BooleanBuffer::from(vec![true, false, true, false]), before: 40 * DAY + 3 };
        let times = RelevantTimes::new(&at, window, 42 * DAY, Some(&coverage));
        assert_eq!(times.kept, [4 * DAY..8 * DAY - 1, 40 * DAY..42 * DAY]);
        assert_eq!((times.added.clone(), times.removed.clone()), (4 * DAY..42 * DAY, 4 * DAY..40 * DAY + 3));
        assert!(
            times.overlap(FileClass::Kept, &(7 * DAY..8 * DAY))
                && !times.overlap(FileClass::Kept, &(8 * DAY..40 * DAY))
        );
        let no_units = RelevantTimes::new(&[], window, 42 * DAY, None);
        assert!(
            [FileClass::Added, FileClass::Kept, FileClass::Removed]
                .iter()
                .all(|class| !no_units.overlap(*class, &(i64::MIN..i64::MAX)))
        );
    }
}
