//! What was counted before, so that nothing is counted twice, and which files tell what was not.

use std::collections::BTreeSet;
use std::ops::Range;

use arrow::buffer::BooleanBuffer;

use crate::population::Window;

/// What a file is to an earlier measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It was not there.
    Added,
    /// It was there, and still is.
    Kept,
    /// It was there, and is no more.
    Removed,
}

/// The units whose facts before an instant are counted already.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub(crate) units: BooleanBuffer,
    /// Microseconds.
    pub(crate) before: i64,
}

impl Known {
    /// The same without some units.
    pub(crate) fn without(&self, units: &BTreeSet<usize>) -> Self {
        let is_left = |unit: usize| self.units.value(unit) && !units.contains(&unit);
        Self { units: BooleanBuffer::collect_bool(self.units.len(), is_left), before: self.before }
    }

    /// Whether a fact of a unit is still to be counted; of a file that was removed, whether it is to be taken back.
    pub(crate) fn leaves(&self, class: Class, unit: u32, instant: i64) -> bool {
        let was_counted = || instant < self.before && self.units.value(unit as usize);
        match class {
            Class::Added => true,
            Class::Kept => !was_counted(),
            Class::Removed => was_counted(),
        }
    }
}

/// The event times that matter in files of each class, in microseconds.
#[derive(Debug)]
pub(crate) struct Times {
    added: Range<i64>,
    /// Apart from each other, and rising.
    kept: Vec<Range<i64>>,
    removed: Range<i64>,
}

const MICROSECONDS_OF_DAY: i64 = 86_400_000_000;

impl Times {
    /// Those around the instants of units, up to `until`.
    pub(crate) fn new(at: &[i64], window: Window, until: i64, known: Option<&Known>) -> Self {
        let around = |first: i64, last: i64| {
            first.saturating_add(window.from)..last.saturating_add(window.to).min(until)
        };
        let all = at.iter().min().zip(at.iter().max()).map_or(0..0, |(first, last)| around(*first, *last));
        let Some(known) = known else {
            return Self { kept: vec![all.clone()], added: all, removed: 0..0 };
        };
        let anew = at.iter().enumerate().filter(|(unit, _)| !known.units.value(*unit));
        let mut days: Vec<i64> = anew.map(|(_, at)| at.div_euclid(MICROSECONDS_OF_DAY)).collect();
        days.sort_unstable();
        days.dedup();
        let of_day = |day: &i64| {
            let begin = day.saturating_mul(MICROSECONDS_OF_DAY);
            around(begin, begin.saturating_add(MICROSECONDS_OF_DAY - 1))
        };
        let since = known.before.max(all.start)..all.end;
        let removed = all.start..all.end.min(known.before);
        Self { kept: united(days.iter().map(of_day).chain([since])), added: all, removed }
    }

    /// Whether a file of a class with such event times matters.
    pub(crate) fn overlap(&self, class: Class, times: &Range<i64>) -> bool {
        let overlaps = |own: &Range<i64>| own.start < times.end && times.start < own.end && !own.is_empty();
        match class {
            Class::Added => overlaps(&self.added),
            Class::Kept => self.kept.iter().any(overlaps),
            Class::Removed => overlaps(&self.removed),
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
    fn what_was_counted_is_not_counted_again() {
        let known = Known { units: BooleanBuffer::from(vec![true, false]), before: 10 };
        let leaves = |class| {
            [(0, 9), (0, 10), (1, 9), (1, 10)].map(|(unit, instant)| known.leaves(class, unit, instant))
        };
        assert_eq!(leaves(Class::Added), [true; 4]);
        assert_eq!(leaves(Class::Kept), [false, true, true, true]);
        assert_eq!(leaves(Class::Removed), [true, false, false, false]);
    }

    #[test]
    fn files_matter_for_new_units_and_for_what_happened_since() {
        let at = [5 * DAY, 5 * DAY + 7, 40 * DAY, 41 * DAY];
        let window = Window { from: -DAY, to: 2 * DAY };
        let known =
            Known { units: BooleanBuffer::from(vec![true, false, true, false]), before: 40 * DAY + 3 };
        let times = Times::new(&at, window, 42 * DAY, Some(&known));
        assert_eq!(times.kept, [4 * DAY..8 * DAY - 1, 40 * DAY..42 * DAY]);
        assert_eq!((times.added.clone(), times.removed.clone()), (4 * DAY..42 * DAY, 4 * DAY..40 * DAY + 3));
        assert!(
            times.overlap(Class::Kept, &(7 * DAY..8 * DAY))
                && !times.overlap(Class::Kept, &(8 * DAY..40 * DAY))
        );
        let nobody = Times::new(&[], window, 42 * DAY, None);
        assert!(
            [Class::Added, Class::Kept, Class::Removed]
                .iter()
                .all(|class| !nobody.overlap(*class, &(i64::MIN..i64::MAX)))
        );
    }
}
