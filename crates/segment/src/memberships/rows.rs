//! The memberships of one segment, in memory.

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
    entities: Vec<u32>,
    entered_at: Vec<i64>,
    /// The first so many open ones came from files, in the order of their keys.
    ordered: usize,
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

/// All rows, in an order of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contents {
    open: Vec<(u32, i64)>,
    ended: Vec<Interval>,
}

impl Rows {
    /// Open memberships from a file, in the order of their keys.
    pub(crate) fn read_open(&mut self, entities: Vec<u32>, entered_at: Vec<i64>) {
        // Most segments stand in one file, and there are millions of rows.
        if self.entities.is_empty() {
            (self.entities, self.entered_at) = (entities, entered_at);
        } else {
            self.entities.extend(entities);
            self.entered_at.extend(entered_at);
        }
        self.ordered = self.entities.len();
    }

    /// Memberships from a file that had ended.
    pub(crate) fn read_ended(&mut self, ended: impl IntoIterator<Item = Interval>) {
        self.ended.extend(ended);
        self.ended_in_files = self.ended.len();
    }

    /// The open memberships, by entity and instant of entry; the first so many are in the order of their keys.
    pub(crate) fn open(&self) -> (&[u32], &[i64], usize) {
        (&self.entities, &self.entered_at, self.ordered)
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
        let later = |at: &i64| *at >= from;
        if !self.entered_at.iter().any(later) && !self.ended.iter().any(|interval| later(&interval.exited_at)) {
            return;
        }
        if !self.touched {
            self.before = Some(self.contents());
        }
        self.touched = true;
        self.keep_open(|_, entered_at| entered_at < from);
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
                self.entities.push(interval.entity);
                self.entered_at.push(interval.entered_at);
            }
        }
        self.ended_in_files = kept_in_files;
    }

    /// Makes `members` the current members, as of an instant that is no earlier than any before.
    pub(crate) fn apply(&mut self, members: &RoaringBitmap, as_of: Timestamp) -> Change {
        let as_of = as_of.as_microsecond();
        let mut new = Bits::of(members);
        let mut ended = Vec::new();
        self.keep_open(|entity, entered_at| {
            let stays = new.take(entity);
            if !stays {
                ended.push(Interval { entity, entered_at, exited_at: as_of });
            }
            stays
        });
        let open_before = self.entities.len();
        self.entities.extend(new.iter());
        self.entered_at.resize(self.entities.len(), as_of);
        let entered = (self.entities.len() - open_before) as u64;
        let exited = ended.len() as u64;
        self.touched |= entered + exited > 0;
        // Who entered at the same instant has never been a member.
        self.ended.extend(ended.into_iter().filter(|interval| interval.entered_at < interval.exited_at));
        Change { size: members.len(), entered, exited }
    }

    /// Keeps the open memberships for which `stays` holds, in their order.
    fn keep_open(&mut self, mut stays: impl FnMut(u32, i64) -> bool) {
        let (mut kept, mut ordered) = (0, 0);
        for row in 0..self.entities.len() {
            let (entity, entered_at) = (self.entities[row], self.entered_at[row]);
            if stays(entity, entered_at) {
                self.entities[kept] = entity;
                self.entered_at[kept] = entered_at;
                kept += 1;
                ordered += usize::from(row < self.ordered);
            }
        }
        self.entities.truncate(kept);
        self.entered_at.truncate(kept);
        self.ordered = ordered;
    }

    fn contents(&self) -> Contents {
        let mut open: Vec<(u32, i64)> = self.entities.iter().copied().zip(self.entered_at.iter().copied()).collect();
        let mut ended = self.ended.clone();
        open.sort_unstable();
        ended.sort_unstable();
        Contents { open, ended }
    }
}

/// A set of entities that is asked about each of many in turn.
struct Bits(Vec<u64>);

impl Bits {
    fn of(members: &RoaringBitmap) -> Self {
        let mut words = vec![0_u64; members.max().map_or(0, |last| last as usize / 64 + 1)];
        for entity in members {
            words[entity as usize / 64] |= 1 << (entity % 64);
        }
        Self(words)
    }

    /// Takes an entity out; whether it was in.
    fn take(&mut self, entity: u32) -> bool {
        let Some(word) = self.0.get_mut(entity as usize / 64) else { return false };
        let bit = 1 << (entity % 64);
        let found = *word & bit != 0;
        *word &= !bit;
        found
    }

    /// Those that are left, in order.
    fn iter(&self) -> impl Iterator<Item = u32> {
        let words = self.0.iter().zip((0_u32..).step_by(64)).filter(|(word, _)| **word != 0);
        words.flat_map(|(&word, first)| {
            std::iter::successors(Some(word), |left| Some(left & left.wrapping_sub(1)))
                .take_while(|left| *left != 0)
                .map(move |left| first + left.trailing_zeros())
        })
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
        (open.into_iter().map(|(entity, at)| (entity, day(at))).collect(), ended)
    }

    /// The same rows as if they had been stored and read.
    fn reread(rows: &Rows) -> Rows {
        let mut read = Rows::default();
        let (entities, entered_at, _) = rows.open();
        read.read_open(entities.to_vec(), entered_at.to_vec());
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
        assert_eq!(later.open().2, 1, "what stays is in order");
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
