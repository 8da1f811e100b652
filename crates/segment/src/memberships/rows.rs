//! The memberships of one segment, in memory.

use std::collections::BTreeMap;

use jiff::Timestamp;
use roaring::RoaringBitmap;

/// A membership that ended: the entity's number, when it entered and when it left. Instants in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Interval {
    pub(crate) entity: u32,
    pub(crate) entered_at: i64,
    pub(crate) exited_at: i64,
}

/// What changed in a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) size: u64,
    pub(crate) entered: u64,
    pub(crate) exited: u64,
}

/// Rows of one segment: all its open memberships, and those that ended of which we have to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    open: Open,
    ended: Vec<Interval>,
    /// The first so many ended ones came from files.
    ended_in_files: usize,
    /// Whether what happened from an instant on was forgotten.
    rewound: bool,
    /// Whether any of the rows from files that had ended is open again or gone.
    reopened: bool,
    touched: bool,
    /// What came from files, when forgetting changed it.
    before: Option<Contents>,
}

/// Open memberships: the entities that entered at each instant, in microseconds. None of the sets is empty.
pub(crate) type Open = BTreeMap<i64, RoaringBitmap>;

/// All rows, in an order of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contents {
    open: Open,
    ended: Vec<Interval>,
}

impl Rows {
    /// Open memberships from a file.
    pub(crate) fn read_open(&mut self, entered_at: i64, entities: RoaringBitmap) {
        if !entities.is_empty() {
            *self.open.entry(entered_at).or_default() |= entities;
        }
    }

    /// Memberships from a file that had ended.
    pub(crate) fn read_ended(&mut self, ended: impl IntoIterator<Item = Interval>) {
        self.ended.extend(ended);
        self.ended_in_files = self.ended.len();
    }

    /// The open memberships.
    pub(crate) fn open(&self) -> &Open {
        &self.open
    }

    /// How many there are.
    pub(crate) fn open_rows(&self) -> usize {
        let rows: u64 = self.open.values().map(RoaringBitmap::len).sum();
        usize::try_from(rows).unwrap_or(usize::MAX)
    }

    /// The memberships that ended.
    pub(crate) fn ended(&self) -> &[Interval] {
        &self.ended
    }

    /// Those of them that ended since they were read.
    pub(crate) fn ended_since(&self) -> &[Interval] {
        &self.ended[self.ended_in_files..]
    }

    /// Whether rows of files that had ended are no longer as the files say.
    pub(crate) fn has_reopened(&self) -> bool {
        self.reopened
    }

    /// Whether the segment is not what was read.
    pub(crate) fn is_changed(&self) -> bool {
        self.touched && self.before.as_ref().is_none_or(|before| *before != self.contents())
    }

    /// Forgets, once, what happened at `from` or later: then a refresh can be repeated, or history rebuilt from there.
    pub(crate) fn rewind(&mut self, from: Timestamp) {
        let from = from.as_microsecond();
        if std::mem::replace(&mut self.rewound, true) {
            return;
        }
        let entered_later = self.open.range(from..).next().is_some();
        if !entered_later && !self.ended.iter().any(|interval| interval.exited_at >= from) {
            return;
        }
        if !self.touched {
            self.before = Some(self.contents());
        }
        self.touched = true;
        self.open.retain(|&entered_at, _| entered_at < from);
        let mut kept_in_files = self.ended_in_files;
        for (position, interval) in std::mem::take(&mut self.ended).into_iter().enumerate() {
            if interval.exited_at < from {
                self.ended.push(interval);
                continue;
            }
            if position < self.ended_in_files {
                kept_in_files -= 1;
                self.reopened = true;
            }
            if interval.entered_at < from {
                self.open.entry(interval.entered_at).or_default().insert(interval.entity);
            }
        }
        self.ended_in_files = kept_in_files;
    }

    /// Makes `members` the current members, as of an instant that is no earlier than any before.
    pub(crate) fn apply(&mut self, members: &RoaringBitmap, as_of: Timestamp) -> Change {
        let as_of = as_of.as_microsecond();
        let mut new = members.clone();
        let mut exited = 0;
        for (&entered_at, open) in &mut self.open {
            let gone = &*open - members;
            if !gone.is_empty() {
                *open -= &gone;
                exited += gone.len();
                // Who entered at the same instant has never been a member.
                let intervals = gone.iter().map(|entity| Interval { entity, entered_at, exited_at: as_of });
                self.ended.extend(intervals.filter(|_| entered_at < as_of));
            }
            new -= &*open;
        }
        self.open.retain(|_, open| !open.is_empty());
        let entered = new.len();
        self.read_open(as_of, new);
        self.touched |= entered + exited > 0;
        Change { size: members.len(), entered, exited }
    }

    fn contents(&self) -> Contents {
        let mut ended = self.ended.clone();
        ended.sort_unstable();
        Contents { open: self.open.clone(), ended }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> Timestamp {
        Timestamp::from_second(n * 86_400).unwrap()
    }

    fn members(entities: &[u32]) -> RoaringBitmap {
        entities.iter().copied().collect()
    }

    /// Open memberships as (entity, day of entry), ended ones with the day of exit, both in order.
    type Days = (Vec<(u32, i64)>, Vec<(u32, i64, i64)>);

    fn contents(rows: &Rows) -> Days {
        let day = |at: i64| at / 86_400_000_000;
        let Contents { open, ended } = rows.contents();
        let ended = ended.into_iter().map(|i| (i.entity, day(i.entered_at), day(i.exited_at))).collect();
        let mut open: Vec<(u32, i64)> =
            open.into_iter().flat_map(|(at, entities)| entities.into_iter().map(move |entity| (entity, day(at)))).collect();
        open.sort_unstable();
        (open, ended)
    }

    /// The same rows as if they had been stored and read.
    fn reread(rows: &Rows) -> Rows {
        let mut read = Rows::default();
        rows.open().iter().for_each(|(&entered_at, entities)| read.read_open(entered_at, entities.clone()));
        read.read_ended(rows.ended().iter().copied());
        read
    }

    fn change(size: u64, entered: u64, exited: u64) -> Change {
        Change { size, entered, exited }
    }

    #[test]
    fn entering_and_leaving_makes_intervals() {
        let mut rows = Rows::default();
        for (as_of, entities, expected) in [
            (1, &[1, 2, 700][..], change(3, 3, 0)),
            (2, &[2, 3], change(2, 1, 2)),
            (3, &[1], change(1, 1, 2)),
            (4, &[1], change(1, 0, 0)),
            (5, &[], change(0, 0, 1)),
        ] {
            assert_eq!(rows.apply(&members(entities), day(as_of)), expected, "day {as_of}");
        }
        assert_eq!(contents(&rows), (vec![], vec![(1, 1, 2), (1, 3, 5), (2, 1, 3), (3, 2, 3), (700, 1, 2)]));
    }

    #[test]
    fn repeating_a_refresh_changes_nothing_and_rewinding_forgets_what_came_after() {
        let mut rows = Rows::default();
        rows.apply(&members(&[1, 2]), day(1));
        let first = contents(&rows);
        rows.apply(&members(&[2, 3]), day(2));
        let second = contents(&rows);

        let mut again = reread(&rows);
        again.rewind(day(2));
        assert_eq!(contents(&again), first);
        assert_eq!(again.apply(&members(&[2, 3]), day(2)), change(2, 1, 1));
        assert_eq!(contents(&again), second);
        assert!(!again.is_changed());

        let mut other = reread(&rows);
        other.rewind(day(2));
        assert_eq!(other.apply(&members(&[1, 2]), day(2)), change(2, 0, 0));
        assert_eq!(contents(&other), first);
        assert!(other.is_changed() && other.has_reopened());

        let mut later = reread(&rows);
        later.rewind(day(3));
        assert!(!later.is_changed());
        assert_eq!(later.apply(&members(&[3]), day(3)), change(1, 0, 1));
        assert!(later.is_changed() && !later.has_reopened());
        assert_eq!(later.ended_since().len(), 1);
    }

    #[test]
    fn many_instants_in_a_row_are_what_they_are_one_by_one() {
        let history = [(1, vec![1, 2]), (2, vec![2, 3]), (3, vec![3]), (4, vec![1, 3, 9])];
        let mut at_once = Rows::default();
        let mut one_by_one = Rows::default();
        for (as_of, entities) in history {
            at_once.rewind(day(1));
            at_once.apply(&members(&entities), day(as_of));
            one_by_one = reread(&one_by_one);
            one_by_one.rewind(day(as_of));
            one_by_one.apply(&members(&entities), day(as_of));
        }
        assert_eq!(contents(&at_once), contents(&one_by_one));
    }
}
