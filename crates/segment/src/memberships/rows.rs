//! The memberships of one segment, in memory.

use std::collections::BTreeMap;

use jiff::Timestamp;
use roaring::RoaringBitmap;

/// What changed in a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) size: u64,
    pub(crate) entered: u64,
    pub(crate) exited: u64,
}

/// Open memberships: the entities that entered at each instant, in microseconds. None of the sets is empty.
pub(crate) type Open = BTreeMap<i64, RoaringBitmap>;

/// Memberships that ended: the entities that entered and exited at the same instants. None of the sets is empty.
pub(crate) type Ended = BTreeMap<(i64, i64), RoaringBitmap>;

/// Rows of one segment: all its open memberships, and those that ended of which we have to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    open: Open,
    /// Those that ended before they were read.
    ended_in_files: Ended,
    /// Those that ended since.
    ended_since: Ended,
    /// Whether what happened from an instant on was forgotten.
    rewound: bool,
    /// Whether any of the rows from files that had ended is open again or gone.
    reopened: bool,
    touched: bool,
    /// What came from files, when forgetting changed it.
    before: Option<(Open, Ended)>,
}

impl Rows {
    /// Open memberships from a file.
    pub(crate) fn read_open(&mut self, entered_at: i64, entities: RoaringBitmap) {
        add(&mut self.open, entered_at, entities);
    }

    /// Memberships from a file that had ended.
    pub(crate) fn read_ended(&mut self, times: (i64, i64), entities: RoaringBitmap) {
        add(&mut self.ended_in_files, times, entities);
    }

    /// The open memberships.
    pub(crate) fn open(&self) -> &Open {
        &self.open
    }

    /// How many there are.
    pub(crate) fn open_rows(&self) -> usize {
        self.open.values().map(length).sum()
    }

    /// The memberships that ended.
    pub(crate) fn ended(&self) -> Ended {
        let mut all = self.ended_in_files.clone();
        self.ended_since.iter().for_each(|(times, entities)| add(&mut all, *times, entities.clone()));
        all
    }

    /// Those of them that ended since they were read.
    pub(crate) fn ended_since(&self) -> &Ended {
        &self.ended_since
    }

    /// Whether rows of files that had ended are no longer as the files say.
    pub(crate) fn has_reopened(&self) -> bool {
        self.reopened
    }

    /// Whether the segment is not what was read.
    pub(crate) fn is_changed(&self) -> bool {
        self.touched
            && self.before.as_ref().is_none_or(|(open, ended)| (open, ended) != (&self.open, &self.ended()))
    }

    /// Forgets, once, what happened at `from` or later: then a refresh can be repeated, or history rebuilt from there.
    pub(crate) fn rewind(&mut self, from: Timestamp) {
        let from = from.as_microsecond();
        if std::mem::replace(&mut self.rewound, true) {
            return;
        }
        let entered_later = self.open.range(from..).next().is_some();
        if !entered_later
            && !self
                .ended_in_files
                .keys()
                .chain(self.ended_since.keys())
                .any(|(_, exited_at)| *exited_at >= from)
        {
            return;
        }
        if !self.touched {
            self.before = Some((self.open.clone(), self.ended()));
        }
        self.touched = true;
        self.open.retain(|&entered_at, _| entered_at < from);
        for ended in [&mut self.ended_in_files, &mut self.ended_since] {
            let later: Ended = ended.extract_if(.., |&(_, exited_at), _| exited_at >= from).collect();
            let entered_before = later.iter().filter(|((entered_at, _), _)| *entered_at < from);
            entered_before
                .for_each(|((entered_at, _), entities)| add(&mut self.open, *entered_at, entities.clone()));
            self.reopened |= !later.is_empty();
        }
    }

    /// Makes `members` the current members, as of an instant that is no earlier than any before.
    pub(crate) fn apply(&mut self, members: &RoaringBitmap, as_of: Timestamp) -> Change {
        let as_of = as_of.as_microsecond();
        let mut new = members.clone();
        let mut exited = 0;
        for (&entered_at, open) in &mut self.open {
            let gone = &*open - members;
            *open -= &gone;
            new -= &*open;
            exited += gone.len();
            // Who entered at the same instant has never been a member.
            if entered_at < as_of {
                add(&mut self.ended_since, (entered_at, as_of), gone);
            }
        }
        self.open.retain(|_, open| !open.is_empty());
        let entered = new.len();
        add(&mut self.open, as_of, new);
        self.touched |= entered + exited > 0;
        Change { size: members.len(), entered, exited }
    }
}

/// Adds entities to those of a time.
pub(crate) fn add<T: Ord>(rows: &mut BTreeMap<T, RoaringBitmap>, time: T, entities: RoaringBitmap) {
    if !entities.is_empty() {
        *rows.entry(time).or_default() |= entities;
    }
}

/// How many entities there are.
pub(crate) fn length(entities: &RoaringBitmap) -> usize {
    usize::try_from(entities.len()).unwrap_or(usize::MAX)
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
        let ended = rows.ended().into_iter();
        let ended = ended.flat_map(|((from, to), entities)| {
            entities.into_iter().map(move |entity| (entity, day(from), day(to)))
        });
        let open = rows
            .open()
            .iter()
            .flat_map(|(&at, entities)| entities.iter().map(move |entity| (entity, day(at))));
        let (mut open, mut ended): Days = (open.collect(), ended.collect());
        open.sort_unstable();
        ended.sort_unstable();
        (open, ended)
    }

    /// The same rows as if they had been stored and read.
    fn reread(rows: &Rows) -> Rows {
        let mut read = Rows::default();
        rows.open().iter().for_each(|(&entered_at, entities)| read.read_open(entered_at, entities.clone()));
        rows.ended().into_iter().for_each(|(times, entities)| read.read_ended(times, entities));
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
        assert_eq!(later.ended_since().values().map(length).sum::<usize>(), 1);
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
