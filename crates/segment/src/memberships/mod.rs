//! The memberships of an entity's segments, as they are stored and as a refresh changes them.
//!
//! [`Memberships::read`] brings the open memberships of some segments into memory, and of those that ended no more than it has to;
//! [`Memberships::set`] makes a bitmap of members those from an instant on, for as many instants as one likes; and
//! [`Memberships::commit`] makes all of it visible at once, by rewriting the files in which something changed. How rows lie in
//! files is the business of [`layout`]. [`compact`] merges files of memberships that ended.

mod commit;
pub(crate) mod compact;
mod decode;
mod encode;
mod keys;
mod layout;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use roaring::RoaringBitmap;
use tranche_schema::platform::{self, memberships};
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_sql::parallel::{self, Threads};
use tranche_store::object_store::{ObjectStore, ObjectStoreExt};
use tranche_store::{DataFile, Snapshot, StoreError};

use crate::error::SegmentError;
use decode::{Piece, Unknown, decode};
use layout::{Kind, StoredFile};
use rows::Rows;
pub(crate) use rows::{Change, Changes};

/// The key of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its column.
    pub(crate) name: String,
    /// The column's type.
    pub(crate) data_type: DataType,
}

/// The table of an entity's memberships, in the version that changes build on.
pub(crate) struct MembershipTable {
    /// Its folder in the lake.
    pub(crate) folder: String,
    /// The version; none before the first publication.
    pub(crate) base: Option<Snapshot>,
    pub(crate) key: Key,
    /// Threads that decode and encode its files.
    pub(crate) threads: Threads,
}

/// Memberships of segments of one entity, read from a version of their table and changed since. Entities are numbers of the index
/// that they were read with, which may grow in the meantime.
pub(crate) struct Memberships {
    table: MembershipTable,
    segments: BTreeMap<String, Rows>,
    files: Vec<ReadFile>,
    /// The first segments of open files that were not read.
    fences: BTreeSet<String>,
}

/// The members of a segment from an instant on.
pub(crate) struct NewMembers {
    pub(crate) segment: String,
    pub(crate) entities: RoaringBitmap,
    /// The next instant that is published, at which they are no longer.
    pub(crate) until: Option<Timestamp>,
}

/// A file whose rows are in memory.
struct ReadFile {
    file: DataFile,
    kind: Kind,
    segments: BTreeSet<String>,
}

impl Memberships {
    /// Reads from a version of the table what a change of `segments` from the instant `from` on has to know. Keys that the index does not know get a number.
    ///
    /// Files that hold none of the segments are not read, and neither are memberships that ended before `from`.
    pub(crate) async fn read(
        table: MembershipTable,
        index: &mut Arc<KeyIndex>,
        segments: &BTreeSet<String>,
        from: Timestamp,
    ) -> Result<Self, SegmentError> {
        let mut read = Self { table, segments: BTreeMap::new(), files: Vec::new(), fences: BTreeSet::new() };
        let Some(base) = read.table.base.clone() else { return Ok(read) };
        let mut needed = Vec::new();
        for (file, known) in base.file_statistics()? {
            let file = StoredFile::new(file, &known);
            let is_needed = file.may_hold(segments) && (file.kind != Kind::Ended || file.may_end_from(from));
            if is_needed {
                needed.push(file);
            } else if file.kind == Kind::Open {
                read.fences.extend(file.first_segment().map(str::to_owned));
            }
        }
        let objects = base.objects();
        let jobs = needed.into_iter().map(|file| {
            let (objects, index, key) =
                (Arc::clone(&objects), Arc::clone(index), read.table.key.name.clone());
            async move {
                let bytes = fetch(objects.as_ref(), &file.file).await?;
                let kind = file.kind;
                let pieces = parallel::blocking(move || decode(&bytes, kind, &key, &index)).await?;
                Ok::<_, SegmentError>((file, pieces))
            }
        });
        let jobs: Vec<_> = jobs.collect();
        let files: Vec<(StoredFile, BTreeMap<String, Piece>)> =
            stream::iter(jobs).buffered(2 * read.table.threads.count()).try_collect().await?;
        for (file, pieces) in files {
            read.files.push(ReadFile {
                file: file.file,
                kind: file.kind,
                segments: pieces.keys().cloned().collect(),
            });
            for (segment, piece) in pieces {
                read.add(segment, piece, index)?;
            }
        }
        Ok(read)
    }

    /// The version of the table that was read.
    pub(crate) fn base(&self) -> Option<&Snapshot> {
        self.table.base.as_ref()
    }

    fn add(&mut self, segment: String, piece: Piece, index: &mut Arc<KeyIndex>) -> Result<(), SegmentError> {
        let Piece { mut open, mut ended, unknown } = piece;
        for Unknown { keys, times } in unknown {
            let numbers = Arc::make_mut(index).insert(&keys)?;
            for (number, (entered_at, exited_at)) in numbers.into_iter().zip(times) {
                let data_type = &self.table.key.data_type;
                let wrong = || {
                    SqlError::Data(format!("a membership of `{segment}` has a key that is no {data_type}"))
                };
                let entity = number.ok_or_else(wrong)?;
                match exited_at {
                    Some(exited_at) => {
                        ended.entry((entered_at, exited_at)).or_default().insert(entity);
                    }
                    None => {
                        open.entry(entered_at).or_default().insert(entity);
                    }
                }
            }
        }
        let rows = self.segments.entry(segment).or_default();
        open.into_iter().for_each(|(entered_at, entities)| rows.read_open(entered_at, entities));
        ended.into_iter().for_each(|(times, entities)| rows.read_ended(times, entities));
        Ok(())
    }

    /// Makes the members of each segment its members from an instant on, no earlier than that of reading: up to the instant that is
    /// given with them, from which on the segment stays as it is. The changes are in the order of the segments.
    pub(crate) async fn set(
        &mut self,
        members: Vec<NewMembers>,
        as_of: Timestamp,
    ) -> Result<Vec<Changes>, SegmentError> {
        let jobs: Vec<(NewMembers, Rows)> = members
            .into_iter()
            .map(|new| {
                let rows = self.segments.remove(&new.segment).unwrap_or_default();
                (new, rows)
            })
            .collect();
        let done = self.table.threads.map(jobs, move |(new, mut rows)| {
            let changes = rows.set(&new.entities, as_of, new.until);
            Ok::<_, SegmentError>((new.segment, rows, changes))
        });
        let mut all = Vec::new();
        for (segment, rows, changes) in done.await? {
            self.segments.insert(segment, rows);
            all.push(changes);
        }
        Ok(all)
    }

    /// Whether anything is not as it was read.
    pub(crate) fn is_changed(&self) -> bool {
        self.segments.values().any(Rows::is_changed)
    }
}

/// The key of an entity as its memberships have it, for an entity that is no longer defined.
pub(crate) fn stored_key(table: &Snapshot) -> Result<Option<Key>, SegmentError> {
    let own = [platform::SEGMENT, memberships::ENTERED_AT, memberships::EXITED_AT];
    let schema = table.schema()?;
    let key = schema.fields().iter().find(|field| !own.contains(&field.name().as_str()));
    Ok(key.map(|field| Key { name: field.name().clone(), data_type: field.data_type().clone() }))
}

/// Objects of a table that are read or written at a time.
const OBJECTS_AT_A_TIME: usize = 8;

async fn fetch(objects: &dyn ObjectStore, file: &DataFile) -> Result<Bytes, StoreError> {
    let failed = |source| StoreError::Object { path: file.path.clone(), source };
    objects.get(&file.object_path()).await.map_err(failed)?.bytes().await.map_err(failed)
}
