//! Publishing changed memberships: files are written, then take the place of others in one version of the table.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use futures::future::try_join;
use futures::{StreamExt, TryStreamExt, stream};
use tranche_schema::platform::memberships;
use tranche_sql::keys::KeyIndex;
use tranche_sql::parallel::Threads;
use tranche_store::commit::{FileCommit, Transaction};
use tranche_store::encoding::{NewFile, ParquetFile};
use tranche_store::{DataFile, Lake, Snapshot};

use super::encode::{Encoder, Stretch};
use super::keys::Keys;
use super::layout::{FILE_ROWS, Kind, pack};
use super::rows::{Ended, Rows, length};
use super::{MembershipTable, Memberships, OBJECTS_AT_A_TIME, ReadFile};
use crate::error::SegmentError;

/// The names of new files begin so, for people: the statistics say the same.
pub(super) const OPEN_PREFIX: &str = "open-";
pub(super) const ENDED_PREFIX: &str = "ended-";

/// What becomes of the files that were read.
struct Replacement {
    remove: Vec<DataFile>,
    /// The segments whose open rows are written.
    open: BTreeSet<String>,
    /// The first segments of open files that stay.
    fences: BTreeSet<String>,
    /// Whether the ended rows of all files that were read are written too, and not only those that ended since.
    all_ended: bool,
}

impl Memberships {
    /// Makes the changes and the transactions visible in one commit, the next version after the one that was read. The first
    /// transaction is the commit's identity.
    ///
    /// # Errors
    /// [`tranche_store::StoreError::Conflict`] when the table has another version by now.
    pub(crate) async fn commit(
        self,
        lake: &Lake,
        index: &KeyIndex,
        transactions: Vec<Transaction>,
    ) -> Result<Option<Snapshot>, SegmentError> {
        let plan = self.replacement();
        let Self { table: MembershipTable { folder: table, base, key, threads }, segments, .. } = self;
        let schema = memberships::schema(&key.name, &key.data_type);
        let encoder = Encoder { key: key.name, key_type: key.data_type, keys: Arc::new(Keys::of(index)?) };
        let folder = lake.folder(&table)?;
        let segments: BTreeMap<Arc<str>, Arc<Rows>> =
            segments.into_iter().map(|(name, rows)| (name.into(), Arc::new(rows))).collect();
        let (open, ended) = try_join(
            open_files(&encoder, &segments, &plan, threads),
            ended_files(&encoder, &segments, plan.all_ended, threads),
        )
        .await?;
        let puts = open.into_iter().chain(ended).map(|(prefix, file)| {
            let folder = Arc::clone(&folder);
            async move { file.put(folder.as_ref(), prefix, BTreeMap::new()).await }
        });
        let puts: Vec<_> = puts.collect();
        let add: Vec<NewFile> = stream::iter(puts).buffered(OBJECTS_AT_A_TIME).try_collect().await?;
        if plan.remove.is_empty() && add.is_empty() && transactions.is_empty() {
            return Ok(base);
        }
        let commit = FileCommit {
            table,
            schema,
            partition_by: Vec::new(),
            base,
            remove: plan.remove,
            add,
            transactions,
        };
        Ok(Some(lake.replace_files(commit).await?))
    }

    fn replacement(&self) -> Replacement {
        let changed: BTreeSet<&str> = self
            .segments
            .iter()
            .filter(|(_, rows)| rows.is_changed())
            .map(|(name, _)| name.as_str())
            .collect();
        let mut all_ended = changed.iter().any(|name| self.segments[*name].has_reopened());
        let mut open: BTreeSet<&str> = changed;
        // The rows of a segment are in memory as one: rewriting it rewrites all files that hold some of it.
        let mut rewritten = vec![false; self.files.len()];
        loop {
            let hit = |file: &ReadFile| match file.kind {
                Kind::Open => file.segments.iter().any(|name| open.contains(name.as_str())),
                Kind::Mixed => all_ended || file.segments.iter().any(|name| open.contains(name.as_str())),
                Kind::Ended => all_ended,
            };
            let Some(next) = (0..self.files.len()).find(|&file| !rewritten[file] && hit(&self.files[file]))
            else {
                break;
            };
            rewritten[next] = true;
            let file = &self.files[next];
            all_ended |= file.kind == Kind::Mixed;
            if file.kind != Kind::Ended {
                open.extend(file.segments.iter().map(String::as_str));
            }
        }
        let (mut remove, mut fences) = (Vec::new(), self.fences.clone());
        for (file, rewritten) in self.files.iter().zip(rewritten) {
            if rewritten {
                remove.push(file.file.clone());
            } else if file.kind == Kind::Open {
                fences.extend(file.segments.first().cloned());
            }
        }
        Replacement { remove, open: open.into_iter().map(str::to_owned).collect(), fences, all_ended }
    }
}

/// New files and what their names begin with.
type Encoded = Vec<(&'static str, ParquetFile)>;

/// A segment, its rows of a part, and which of them.
type OpenPart = (Arc<str>, Arc<Rows>, Range<usize>);

async fn open_files(
    encoder: &Encoder,
    segments: &BTreeMap<Arc<str>, Arc<Rows>>,
    plan: &Replacement,
    threads: Threads,
) -> Result<Encoded, SegmentError> {
    let written: Vec<(Arc<str>, Arc<Rows>)> = segments
        .iter()
        .filter(|(name, rows)| plan.open.contains(&***name) && !rows.open().is_empty())
        .map(|(name, rows)| (Arc::clone(name), Arc::clone(rows)))
        .collect();
    let sizes: Vec<(&str, usize)> = written.iter().map(|(name, rows)| (&**name, rows.open_rows())).collect();
    let files = pack(&sizes, &plan.fences).into_iter().map(|parts| {
        let part = |part: super::layout::Part| {
            let (name, rows) = &written[part.segment];
            (Arc::clone(name), Arc::clone(rows), part.rows)
        };
        parts.into_iter().map(part).collect::<Vec<OpenPart>>()
    });
    let own = encoder.clone();
    let encode = move |file: Vec<OpenPart>| {
        // Each segment in a row group of its own, so that its statistics name the segment.
        let groups: Vec<Vec<Stretch<'_>>> = file.iter().map(stretches_of).collect();
        Ok((OPEN_PREFIX, own.file(&groups)?))
    };
    threads.map(files, encode).await
}

/// The open memberships of a part of a segment.
fn stretches_of((segment, rows, range): &OpenPart) -> Vec<Stretch<'_>> {
    let mut start = 0;
    let all = rows.open().iter().map(|(&entered_at, entities)| {
        let own = |row: usize| row.saturating_sub(start).min(length(entities));
        let part = Stretch {
            segment,
            entered_at,
            exited_at: None,
            entities,
            range: own(range.start)..own(range.end),
        };
        start += length(entities);
        part
    });
    all.filter(|stretch| !stretch.range.is_empty()).collect()
}

async fn ended_files(
    encoder: &Encoder,
    segments: &BTreeMap<Arc<str>, Arc<Rows>>,
    all: bool,
    threads: Threads,
) -> Result<Encoded, SegmentError> {
    let mut files: Vec<Vec<(Arc<str>, Ended)>> = Vec::new();
    let mut room = 0;
    for (name, rows) in segments {
        let ended = match all {
            true => rows.ended(),
            false if rows.is_changed() => rows.ended_since().clone(),
            false => Ended::new(),
        };
        let size: usize = ended.values().map(length).sum();
        if size > room {
            files.push(Vec::new());
            room = FILE_ROWS;
        }
        room = room.saturating_sub(size);
        files
            .last_mut()
            .into_iter()
            .filter(|_| size > 0)
            .for_each(|file| file.push((Arc::clone(name), ended.clone())));
    }
    files.retain(|file| !file.is_empty());
    let own = encoder.clone();
    let encode = move |file: Vec<(Arc<str>, Ended)>| Ok((ENDED_PREFIX, own.file(&ended_groups(&file))?));
    threads.map(files, encode).await
}

/// Memberships that ended, in the order of segments and times; row groups are small enough that their statistics distinguish segments.
fn ended_groups(file: &[(Arc<str>, Ended)]) -> Vec<Vec<Stretch<'_>>> {
    let mut groups: Vec<Vec<Stretch<'_>>> = Vec::new();
    let mut rows = ENDED_GROUP_ROWS;
    for (segment, ended) in file {
        for (&(entered_at, exited_at), entities) in ended {
            let range = 0..length(entities);
            if rows >= ENDED_GROUP_ROWS {
                groups.push(Vec::new());
                rows = 0;
            }
            rows += range.len();
            let stretch = Stretch { segment, entered_at, exited_at: Some(exited_at), entities, range };
            groups.last_mut().into_iter().for_each(|group| group.push(stretch.clone()));
        }
    }
    groups
}

/// A row group of ended memberships has about so many rows.
const ENDED_GROUP_ROWS: usize = 1 << 17;
