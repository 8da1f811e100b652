//! Memberships as intervals, and what a refresh does to them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use indexmap::IndexMap;
use jiff::Timestamp;
use roaring::RoaringBitmap;
use tranche_schema::platform::{self, memberships};
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;

use crate::evaluate::Members;

/// One membership: the entity's number, when it entered, and when it left if it did. Instants in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Interval {
    pub(crate) entity: u32,
    pub(crate) entered_at: i64,
    pub(crate) exited_at: Option<i64>,
}

/// The memberships of an entity's segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Intervals(pub(crate) IndexMap<String, Vec<Interval>>);

/// What changed in a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) size: u64,
    pub(crate) entered: u64,
    pub(crate) exited: u64,
}

impl Intervals {
    /// Reads stored memberships; keys that the index does not know get a number.
    pub(crate) fn read(batches: &[RecordBatch], index: &mut KeyIndex) -> Result<Self, SqlError> {
        let mut intervals: IndexMap<String, Vec<Interval>> = IndexMap::new();
        for batch in batches {
            let segments = cast(batch.column(0), &DataType::Utf8)?;
            let segments = segments.as_string::<i32>();
            let keys = index.insert(batch.column(1))?;
            let instants = |column: usize| cast(batch.column(column), &platform::instant());
            let (entered, exited) = (instants(2)?, instants(3)?);
            let entered = entered.as_primitive::<TimestampMicrosecondType>();
            let exited = exited.as_primitive::<TimestampMicrosecondType>();
            for (row, key) in keys.into_iter().enumerate() {
                let Some(entity) = key else { continue };
                let exited_at = exited.is_valid(row).then(|| exited.value(row));
                let interval = Interval { entity, entered_at: entered.value(row), exited_at };
                match intervals.get_mut(segments.value(row)) {
                    Some(known) => known.push(interval),
                    None => {
                        intervals.insert(segments.value(row).to_owned(), vec![interval]);
                    }
                }
            }
        }
        Ok(Self(intervals))
    }

    /// Forgets what happened at `as_of` or later: then a refresh can be repeated, or history rebuilt from there.
    pub(crate) fn rewind(&mut self, segment: &str, as_of: Timestamp) {
        let as_of = as_of.as_microsecond();
        if let Some(intervals) = self.0.get_mut(segment) {
            intervals.retain(|interval| interval.entered_at < as_of);
            for interval in intervals.iter_mut().filter(|interval| interval.exited_at.is_some_and(|at| at >= as_of)) {
                interval.exited_at = None;
            }
        }
    }

    /// Makes `members` the current members of a segment, as of an instant.
    pub(crate) fn apply(&mut self, segment: &str, members: &RoaringBitmap, as_of: Timestamp) -> Change {
        let as_of = as_of.as_microsecond();
        let intervals = self.0.entry(segment.to_owned()).or_default();
        let mut before = RoaringBitmap::new();
        let mut exited = 0;
        for interval in intervals.iter_mut().filter(|interval| interval.exited_at.is_none()) {
            before.insert(interval.entity);
            if !members.contains(interval.entity) {
                interval.exited_at = Some(as_of);
                exited += 1;
            }
        }
        let entered = members - &before;
        intervals.extend(entered.iter().map(|entity| Interval { entity, entered_at: as_of, exited_at: None }));
        Change { size: members.len(), entered: entered.len(), exited }
    }

    /// The memberships as rows of the platform's table, in the order of segment and entity.
    pub(crate) fn to_batch(&self, key: &str, key_type: &DataType, index: &KeyIndex) -> Result<RecordBatch, SqlError> {
        let mut rows: Vec<(&str, Interval)> = Vec::new();
        for (segment, intervals) in &self.0 {
            rows.extend(intervals.iter().map(|interval| (segment.as_str(), *interval)));
        }
        rows.sort_unstable();
        let instants = |values: TimestampMicrosecondArray| -> ArrayRef { Arc::new(values.with_timezone("UTC")) };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(segment, _)| *segment))),
            index.column(rows.iter().map(|(_, interval)| interval.entity))?,
            instants(rows.iter().map(|(_, interval)| Some(interval.entered_at)).collect()),
            instants(rows.iter().map(|(_, interval)| interval.exited_at).collect()),
        ];
        Ok(RecordBatch::try_new(memberships::schema(key, key_type), columns)?)
    }

    /// Whether two tables of memberships are the same, in whatever order their rows stand.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let sorted = |intervals: &Self| -> HashMap<String, Vec<Interval>> {
            let filled = intervals.0.iter().filter(|(_, rows)| !rows.is_empty());
            filled
                .map(|(segment, rows)| {
                    let mut rows = rows.clone();
                    rows.sort_unstable();
                    (segment.clone(), rows)
                })
                .collect()
        };
        sorted(self) == sorted(other)
    }
}

impl Members {
    /// Members as a share of the universe, in [0, 1].
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn share(&self, universe: u32) -> f64 {
        if universe == 0 { 0.0 } else { self.entities.len() as f64 / f64::from(universe) }
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

    #[test]
    fn entering_and_leaving_makes_intervals() {
        let mut intervals = Intervals::default();
        assert_eq!(intervals.apply("vip", &members(&[1, 2]), day(1)), Change { size: 2, entered: 2, exited: 0 });
        assert_eq!(intervals.apply("vip", &members(&[2, 3]), day(2)), Change { size: 2, entered: 1, exited: 1 });
        assert_eq!(intervals.apply("vip", &members(&[1]), day(3)), Change { size: 1, entered: 1, exited: 2 });
        assert_eq!(intervals.0["vip"].len(), 4);
    }

    #[test]
    fn repeating_a_refresh_changes_nothing_and_rewinding_forgets_what_came_after() {
        let mut intervals = Intervals::default();
        intervals.apply("vip", &members(&[1, 2]), day(1));
        intervals.apply("vip", &members(&[2, 3]), day(2));
        let mut again = intervals.clone();
        again.rewind("vip", day(2));
        assert_eq!(again.apply("vip", &members(&[2, 3]), day(2)), Change { size: 2, entered: 1, exited: 1 });
        assert!(again.same_as(&intervals));

        again.rewind("vip", day(2));
        let mut first = Intervals::default();
        first.apply("vip", &members(&[1, 2]), day(1));
        assert!(again.same_as(&first));
    }

    #[test]
    fn memberships_survive_being_stored() {
        let mut index = KeyIndex::new(&DataType::Utf8);
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        index.insert(&keys).unwrap();
        let mut intervals = Intervals::default();
        intervals.apply("vip", &members(&[0, 1]), day(1));
        intervals.apply("vip", &members(&[1]), day(2));
        let batch = intervals.to_batch("id", &DataType::Utf8, &index).unwrap();
        assert!(Intervals::read(&[batch], &mut index).unwrap().same_as(&intervals));
    }
}
