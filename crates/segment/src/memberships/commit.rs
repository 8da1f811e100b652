//! Publishing changed memberships: files are written, then take the place of others in one version of the table.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use futures::future::try_join;
use futures::{StreamExt, TryStreamExt, stream};
use tranche_schema::platform::memberships;
use tranche_sql::keys::KeyIndex;
use tranche_store::{DataFile, FileCommit, Lake, NewFile, ParquetFile, Snapshot, Transaction};

use super::encode::Encoder;
use super::keys::Keys;
use super::layout::{Kind, pack};
use super::rows::{Interval, Open, Rows};
use super::{Memberships, ReadFile};
use crate::parallel;
use crate::error::SegmentError;

/// The names of new files begin so: for people, the statistics tell the same.
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
        let Self { table, key, base, segments, .. } = self;
        let schema = memberships::schema(&key.name, &key.data_type);
        let encoder = Encoder { key: key.name, key_type: key.data_type, keys: Arc::new(Keys::of(index)?) };
        let folder = lake.folder(&table)?;
        let segments: BTreeMap<Arc<str>, Arc<Rows>> =
            segments.into_iter().map(|(name, rows)| (name.into(), Arc::new(rows))).collect();
        let (open, ended) =
            try_join(open_files(&encoder, &segments, &plan), ended_file(&encoder, &segments, plan.all_ended)).await?;
        let puts = open.into_iter().chain(ended).map(|(prefix, file)| {
            let folder = Arc::clone(&folder);
            async move { file.put(folder.as_ref(), prefix, BTreeMap::new()).await }
        });
        let puts: Vec<_> = puts.collect();
        let add: Vec<NewFile> = stream::iter(puts).buffered(4 * parallel::cores()).try_collect().await?;
        if plan.remove.is_empty() && add.is_empty() && transactions.is_empty() {
            return Ok(base);
        }
        let commit = FileCommit { table, schema, partition_by: Vec::new(), base, remove: plan.remove, add, transactions };
        Ok(Some(lake.replace_files(commit).await?))
    }

    fn replacement(&self) -> Replacement {
        let changed: BTreeSet<&str> =
            self.segments.iter().filter(|(_, rows)| rows.is_changed()).map(|(name, _)| name.as_str()).collect();
        let mut all_ended = changed.iter().any(|name| self.segments[*name].has_reopened());
        let mut open: BTreeSet<&str> = changed;
        // The rows of a segment are in memory as one: whoever rewrites it rewrites all files that hold some of it.
        let mut rewritten = vec![false; self.files.len()];
        loop {
            let hit = |file: &ReadFile| match file.kind {
                Kind::Open => file.segments.iter().any(|name| open.contains(name.as_str())),
                Kind::Mixed => all_ended || file.segments.iter().any(|name| open.contains(name.as_str())),
                Kind::Ended => all_ended,
            };
            let Some(next) = (0..self.files.len()).find(|&file| !rewritten[file] && hit(&self.files[file])) else { break };
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

async fn open_files(
    encoder: &Encoder,
    segments: &BTreeMap<Arc<str>, Arc<Rows>>,
    plan: &Replacement,
) -> Result<Encoded, SegmentError> {
    let written: Vec<(Arc<str>, Arc<Rows>)> = segments
        .iter()
        .filter(|(name, rows)| plan.open.contains(&***name) && !rows.open().is_empty())
        .map(|(name, rows)| (Arc::clone(name), Arc::clone(rows)))
        .collect();
    let sizes: Vec<(&str, usize)> = written.iter().map(|(name, rows)| (&**name, rows.open_rows())).collect();
    let files: Vec<Vec<(Arc<str>, Arc<Rows>, Range<usize>)>> = pack(&sizes, &plan.fences)
        .into_iter()
        .map(|parts| {
            let part = |part: super::layout::Part| {
                let (name, rows) = &written[part.segment];
                (Arc::clone(name), Arc::clone(rows), part.rows)
            };
            parts.into_iter().map(part).collect()
        })
        .collect();
    let own = encoder.clone();
    parallel::on_all_cores(files, move |file| {
        let parts: Vec<(&str, &Open, Range<usize>)> =
            file.iter().map(|(name, rows, range)| (&**name, rows.open(), range.clone())).collect();
        Ok((OPEN_PREFIX, own.open_file(&parts)?))
    })
    .await
}

async fn ended_file(encoder: &Encoder, segments: &BTreeMap<Arc<str>, Arc<Rows>>, all: bool) -> Result<Encoded, SegmentError> {
    let ended: Vec<(Arc<str>, Vec<Interval>)> = segments
        .iter()
        .map(|(name, rows)| {
            let intervals = match all {
                true => rows.ended(),
                false if rows.is_changed() => rows.ended_since(),
                false => &[],
            };
            (Arc::clone(name), intervals.to_vec())
        })
        .filter(|(_, intervals)| !intervals.is_empty())
        .collect();
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let own = encoder.clone();
    let file = parallel::on_a_core(move || own.ended_file(ended)).await?;
    Ok(vec![(ENDED_PREFIX, file)])
}
