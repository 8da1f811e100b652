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

/// What changed in a segment at an instant, and at the next one that is published already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) now: Change,
    /// The next instant has the members that it had; who entered and who exited then may be others.
    pub(crate) next: Option<Change>,
}

/// Rows of one segment: all its open memberships, and those that ended of which we have to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    open: Open,
    /// Those that ended before they were read.
    ended_in_files: Ended,
    /// Those that ended since.
    ended_since: Ended,
    /// Whether any of the rows from files that had ended is open again or gone.
    reopened: bool,
    touched: bool,
    /// What came from files, where more has changed than at its end.
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

    /// Makes `members` the members from an instant on: up to `until`, from which on all stays as it is, or for good. Whatever
    /// is known of the time in between is forgotten; so instants may be published in any order.
    pub(crate) fn set(
        &mut self,
        members: &RoaringBitmap,
        at: Timestamp,
        until: Option<Timestamp>,
    ) -> Changes {
        let (at, until) = (at.as_microsecond(), until.map(Timestamp::as_microsecond));
        let ended_later = |ended: &Ended| ended.keys().any(|&(_, exited_at)| exited_at >= at);
        let grows = self.open.range(at..).next().is_none()
            && !ended_later(&self.ended_in_files)
            && !ended_later(&self.ended_since);
        match until {
            None if grows => Changes { now: self.grow(members, at), next: None },
            until => self.replace(members, at, until),
        }
    }

    /// Makes `members` the current members, as of an instant after all others.
    fn grow(&mut self, members: &RoaringBitmap, at: i64) -> Change {
        let mut new = members.clone();
        let mut exited = 0;
        for (&entered_at, open) in &mut self.open {
            let gone = &*open - members;
            *open -= &gone;
            new -= &*open;
            exited += gone.len();
            add(&mut self.ended_since, (entered_at, at), gone);
        }
        self.open.retain(|_, open| !open.is_empty());
        let entered = new.len();
        add(&mut self.open, at, new);
        self.touched |= entered + exited > 0;
        Change { size: members.len(), entered, exited }
    }

    /// Cuts what lies between two instants out, and puts `members` there.
    fn replace(&mut self, members: &RoaringBitmap, at: i64, until: Option<i64>) -> Changes {
        if !self.touched {
            self.before = Some((self.open.clone(), self.ended()));
        }
        self.touched = true;
        let Edges { left, right } = self.cut(at, until);
        let (before, after) = (union(&left), union(&right));
        for (&entered_at, entities) in &left {
            self.put(entered_at, Some(at), entities - members);
        }
        if let Some(until) = until {
            for (&exited_at, entities) in &right {
                self.put(until, exited_at, entities - members);
            }
        }
        let mut starts = left;
        add(&mut starts, at, members - &before);
        let mut ends = right;
        add(&mut ends, until, members - &after);
        for (&entered_at, starting) in &starts {
            let mut rest = starting & members;
            for (&exited_at, ending) in &ends {
                if rest.is_empty() {
                    break;
                }
                let both = &rest & ending;
                rest -= &both;
                self.put(entered_at, exited_at, both);
            }
        }
        let change = |before: &RoaringBitmap, now: &RoaringBitmap| Change {
            size: now.len(),
            entered: (now - before).len(),
            exited: (before - now).len(),
        };
        Changes { now: change(&before, members), next: until.map(|_| change(members, &after)) }
    }

    /// Takes out all memberships that meet the time between two instants, and returns what of them lies outside.
    fn cut(&mut self, at: i64, until: Option<i64>) -> Edges {
        let mut edges = Edges::default();
        let meets = |entered_at: i64| until.is_none_or(|until| entered_at <= until);
        for (entered_at, entities) in self.open.extract_if(.., |&entered_at, _| meets(entered_at)) {
            if entered_at < at {
                add(&mut edges.left, entered_at, entities.clone());
            }
            if until.is_some() {
                add(&mut edges.right, None, entities);
            }
        }
        for (in_files, ended) in [(true, &mut self.ended_in_files), (false, &mut self.ended_since)] {
            let is_met = |&(entered_at, exited_at): &(i64, i64), _: &mut RoaringBitmap| {
                exited_at >= at && meets(entered_at)
            };
            for ((entered_at, exited_at), entities) in ended.extract_if(.., is_met) {
                self.reopened |= in_files;
                if entered_at < at {
                    add(&mut edges.left, entered_at, entities.clone());
                }
                if until.is_some_and(|until| exited_at > until) {
                    add(&mut edges.right, Some(exited_at), entities);
                }
            }
        }
        edges
    }

    fn put(&mut self, entered_at: i64, exited_at: Option<i64>, entities: RoaringBitmap) {
        match exited_at {
            Some(exited_at) => add(&mut self.ended_since, (entered_at, exited_at), entities),
            None => add(&mut self.open, entered_at, entities),
        }
    }
}

/// What lies outside of a time that was cut out, and touches it.
#[derive(Default)]
struct Edges {
    /// Members until then, by when they entered.
    left: BTreeMap<i64, RoaringBitmap>,
    /// Members from then on, by when they exited; none where they are still.
    right: BTreeMap<Option<i64>, RoaringBitmap>,
}

fn union<T>(rows: &BTreeMap<T, RoaringBitmap>) -> RoaringBitmap {
    rows.values().fold(RoaringBitmap::new(), |all, entities| all | entities)
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

    /// Sets the members at a day, up to another where there is one.
    fn set(rows: &mut Rows, entities: &[u32], at: i64, until: Option<i64>) -> Changes {
        rows.set(&members(entities), day(at), until.map(day))
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
            assert_eq!(set(&mut rows, entities, as_of, None).now, expected, "day {as_of}");
        }
        assert_eq!(contents(&rows), (vec![], vec![(1, 1, 2), (1, 3, 5), (2, 1, 3), (3, 2, 3), (700, 1, 2)]));
    }

    #[test]
    fn repeating_an_instant_changes_nothing_and_forgets_what_came_after() {
        let mut rows = Rows::default();
        set(&mut rows, &[1, 2], 1, None);
        let first = contents(&rows);
        set(&mut rows, &[2, 3], 2, None);
        let second = contents(&rows);

        let mut again = reread(&rows);
        assert_eq!(set(&mut again, &[2, 3], 2, None).now, change(2, 1, 1));
        assert_eq!(contents(&again), second);
        assert!(!again.is_changed());

        let mut other = reread(&rows);
        assert_eq!(set(&mut other, &[1, 2], 2, None).now, change(2, 0, 0));
        assert_eq!(contents(&other), first);
        assert!(other.is_changed() && other.has_reopened());

        let mut later = reread(&rows);
        assert_eq!(set(&mut later, &[3], 3, None).now, change(1, 0, 1));
        assert!(later.is_changed() && !later.has_reopened());
        assert_eq!(later.ended_since().values().map(length).sum::<usize>(), 1);
    }

    #[test]
    fn an_instant_between_two_others_leaves_both_as_they_are() {
        let mut rows = Rows::default();
        set(&mut rows, &[1, 2, 3], 1, None);
        set(&mut rows, &[2, 4, 5], 5, None);
        set(&mut rows, &[4], 9, None);
        let mut between = reread(&rows);
        let found = set(&mut between, &[1, 4, 6], 3, Some(5));
        assert_eq!(found, Changes { now: change(3, 2, 2), next: Some(change(3, 2, 2)) });
        let ended = vec![(1, 1, 5), (2, 1, 3), (2, 5, 9), (3, 1, 3), (5, 5, 9), (6, 3, 5)];
        assert_eq!(contents(&between), (vec![(4, 3)], ended));
        assert!(between.is_changed() && between.has_reopened());
        // Without it they are what they were.
        set(&mut between, &[1, 2, 3], 3, Some(5));
        assert_eq!(contents(&between), contents(&rows));
    }

    #[test]
    fn instants_in_any_order_are_what_they_are_one_after_the_other() {
        let history = [(1, vec![1, 2]), (2, vec![2, 3]), (3, vec![3]), (4, vec![1, 3, 9]), (5, vec![1, 2])];
        let mut in_order = Rows::default();
        let mut changes = BTreeMap::new();
        for (as_of, entities) in &history {
            changes.insert(*as_of, set(&mut in_order, entities, *as_of, None).now);
        }
        let mut order: Vec<usize> = (0..history.len()).collect();
        for number in 0..120 {
            let mut rows = Rows::default();
            let mut found: BTreeMap<i64, Change> = BTreeMap::new();
            for &place in &order {
                let (as_of, entities) = &history[place];
                let until = found.range(as_of + 1..).next().map(|(&next, _)| next);
                rows = reread(&rows);
                let Changes { now, next } = set(&mut rows, entities, *as_of, until);
                found.insert(*as_of, now);
                if let (Some(until), Some(next)) = (until, next) {
                    found.insert(until, next);
                }
            }
            assert_eq!((contents(&rows), &found), (contents(&in_order), &changes), "{order:?}");
            let swap = (0..order.len() - 1).rev().find(|&at| order[at] < order[at + 1]);
            let Some(at) = swap else {
                assert_eq!(number, 119);
                break;
            };
            let with = (at + 1..order.len()).rev().find(|&with| order[with] > order[at]).unwrap();
            order.swap(at, with);
            order[at + 1..].reverse();
        }
    }
}
