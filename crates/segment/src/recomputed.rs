//! What was published, held against its definitions once more: each runs as it is, one by one, over all rows.
//!
//! That is possible as long as neither the tables nor the definitions have changed since the last refresh, which its commit of
//! memberships says by an [`inputs`] mark.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, make_comparator};
use arrow::compute::{SortOptions, cast, concat_batches, take};
use arrow::datatypes::{DataType, Float64Type};
use jiff::Timestamp;
use roaring::RoaringBitmap;
use tranche_sql::{Engine, Session, SqlError, Tables};
use tranche_store::integrity::Finding;
use tranche_store::{Lake, Snapshot};

use crate::definition::definitions::Definitions;
use crate::definition::scope::Scope;
use crate::definition::traits::universe;
use crate::error::SegmentError;
use crate::evaluate::{Evaluation, EvaluationContext, Sharing, evaluate_program};
use crate::history::refresh_mark;
use crate::plan::Program;
use crate::store::{members, memberships_table, traits_mark, traits_table};

/// What a pipeline's last refresh published, and what it was made from.
#[derive(Clone, Copy)]
pub struct Published<'a> {
    /// The pipeline.
    pub pipeline: &'a str,
    /// Its definitions as they are now.
    pub definitions: &'a Definitions,
    /// Where tables are.
    pub lake: &'a Lake,
    /// The tables of the contracts as they are now.
    pub tables: &'a Tables,
    /// The engine.
    pub engine: &'a Engine,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Recomputed {
    /// The entities whose last refresh was computed again.
    pub entities: Vec<String>,
    /// What is not as the definitions have it.
    pub findings: Vec<Finding>,
}

/// The mark that says what a pipeline's last refresh of an entity was made from.
pub(crate) fn inputs_mark(pipeline: &str) -> String {
    format!("inputs/{pipeline}")
}

/// What no refresh is made from: it cannot be computed again.
pub(crate) const UNKNOWN_INPUTS: i64 = 0;

/// A number for the versions of the tables and the text of the definitions that a refresh of everything is made from.
pub(crate) fn inputs(definitions: &Definitions, tables: &Tables) -> i64 {
    let mut hash = blake3::Hasher::new();
    let mut versions: Vec<String> =
        tables.versions().iter().map(|version| format!("{} {}\n", version.table, version.version)).collect();
    versions.sort_unstable();
    versions.iter().for_each(|version| {
        hash.update(version.as_bytes());
    });
    let traits = definitions.traits.values().map(|traits| &traits.file);
    let segments = definitions.segments.values().map(|segment| &segment.file);
    for file in traits.chain(segments) {
        hash.update(file.path().as_bytes()).update(file.text().as_bytes());
    }
    let bytes = hash.finalize();
    let first = bytes.as_bytes().first_chunk().copied().unwrap_or_default();
    // Half of the numbers suffice, none of which is that of unknown inputs.
    i64::from_le_bytes(first) | 1
}

impl Published<'_> {
    /// Computes what the last refresh of each entity found once more, where that can be done, and compares.
    ///
    /// # Errors
    /// [`SegmentError`] when a table cannot be read.
    pub async fn recompute(&self) -> Result<Recomputed, SegmentError> {
        let mut recomputed = Recomputed::default();
        for entity in self.definitions.entities() {
            let Some(memberships) = self.lake.snapshot(&memberships_table(entity)).await? else { continue };
            let inputs_then = memberships.transaction_version(&inputs_mark(self.pipeline)).await?;
            let last = memberships.transaction_version(&refresh_mark(self.pipeline)).await?;
            let last = last.and_then(|last| Timestamp::from_microsecond(last).ok());
            if inputs_then != Some(inputs(self.definitions, self.tables)) {
                continue;
            }
            let Some(as_of) = last else { continue };
            recomputed.findings.extend(self.differences(entity, as_of).await?);
            recomputed.entities.push(entity.to_owned());
        }
        Ok(recomputed)
    }

    async fn differences(&self, entity: &str, as_of: Timestamp) -> Result<Vec<Finding>, SegmentError> {
        let session = self.engine.session_over(self.tables, as_of).await?;
        let evaluation = self.evaluation(entity, &session).await?;
        let mut findings = Vec::new();
        for (segment, found) in &evaluation.segments {
            let stored = members(self.lake, &session, entity, &evaluation.key, segment).await?;
            let mut there = RoaringBitmap::new();
            for batch in stored.iter().flat_map(|stored| &stored.batches) {
                there.extend(evaluation.index.numbers(batch.column(0))?);
            }
            let differing = (&there ^ &found.entities).len();
            if differing > 0 {
                let problem = format!(
                    "`{segment}` as of {as_of} has other members than its definition gives: {differing} differ"
                );
                findings.push(Finding::new(problem, self.advice()));
            }
        }
        if let Some(stored) = self.lake.snapshot(&traits_table(entity)).await?
            && stored.transaction_version(&traits_mark(self.pipeline)).await? == Some(as_of.as_microsecond())
        {
            findings.extend(self.differing_traits(&stored, &evaluation, &session).await?);
        }
        Ok(findings)
    }

    async fn evaluation(&self, entity: &str, session: &Session) -> Result<Evaluation, SegmentError> {
        let scope = Scope::everything(self.definitions, entity);
        let program = Program::compile(self.definitions, &scope, session, Sharing::OneByOne).await?;
        let context = EvaluationContext {
            definitions: self.definitions,
            scope: &scope,
            program: &program,
            tables: self.tables,
            session,
        };
        let universe = universe(self.definitions, entity, session).await?;
        evaluate_program(&context, universe, None).await?.0.complete()
    }

    async fn differing_traits(
        &self,
        stored: &Snapshot,
        evaluation: &Evaluation,
        session: &Session,
    ) -> Result<Vec<Finding>, SegmentError> {
        let found = session.collect_frame(session.read(stored).await?).await?;
        let stored = concat_batches(&found.schema, &found.batches).map_err(SqlError::from)?;
        let table = traits_table(&evaluation.entity);
        let (Some(stored_keys), Some(keys)) =
            (stored.column_by_name(&evaluation.key), evaluation.traits.column_by_name(&evaluation.key))
        else {
            let problem = format!("`{table}` has no column `{}`", evaluation.key);
            return Ok(vec![Finding::new(problem, self.advice())]);
        };
        let mut index = tranche_sql::keys::KeyIndex::new(stored_keys.data_type());
        index.insert(stored_keys)?;
        let places = index.numbers(keys)?.into_iter();
        let places: UInt32Array = places.map(|place| (place < index.len()).then_some(place)).collect();
        let mut findings = Vec::new();
        if places.null_count() > 0 || index.len() as usize != keys.len() {
            let problem =
                format!("`{table}` has {} entities, and {} are in the universe", index.len(), keys.len());
            findings.push(Finding::new(problem, self.advice()));
        }
        for (field, column) in evaluation.traits.schema().fields().iter().zip(evaluation.traits.columns()) {
            let differing = match stored.column_by_name(field.name()) {
                Some(values) => {
                    let values = take(values, &places, None).map_err(SqlError::from)?;
                    differing(&values, column)?
                }
                None => column.len(),
            };
            if differing > 0 {
                let problem = format!(
                    "`{}` in `{table}` has another value for {differing} of {} entities than its definition gives",
                    field.name(),
                    column.len()
                );
                findings.push(Finding::new(problem, self.advice()));
            }
        }
        Ok(findings)
    }

    fn advice(&self) -> String {
        format!("publish it again: `tranche run {} --full`", self.pipeline)
    }
}

/// In how many rows two columns differ; floats by more than the order of their sums may account for.
fn differing(stored: &ArrayRef, computed: &ArrayRef) -> Result<usize, SqlError> {
    if stored.data_type() != computed.data_type() && !is_text(stored.data_type(), computed.data_type()) {
        return Ok(computed.len());
    }
    let stored = cast(stored, computed.data_type())?;
    if let (Some(a), Some(b)) =
        (stored.as_primitive_opt::<Float64Type>(), computed.as_primitive_opt::<Float64Type>())
    {
        let same = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => a.total_cmp(&b).is_eq() || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
            (a, b) => a.is_none() && b.is_none(),
        };
        return Ok(a.iter().zip(b.iter()).filter(|(a, b)| !same(*a, *b)).count());
    }
    let compare = make_comparator(&stored, computed, SortOptions::default())?;
    Ok((0..computed.len()).filter(|&row| compare(row, row).is_ne()).count())
}

/// Whether both types are of texts, which files and the engine lay out in several ways.
fn is_text(a: &DataType, b: &DataType) -> bool {
    let is_text = |it: &DataType| matches!(it, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    is_text(a) && is_text(b)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn values_differ_by_more_than_rounding() {
        let floats = |values: [Option<f64>; 4]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
        let a = floats([Some(0.3), None, Some(1.0), Some(f64::NAN)]);
        let b = floats([Some(0.1 + 0.2), None, None, Some(f64::NAN)]);
        assert_eq!(differing(&a, &b).unwrap(), 1);
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("1"), None]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        assert_eq!(differing(&texts, &numbers).unwrap(), 2, "a value of another type is another value");
        assert_eq!(differing(&texts, &texts).unwrap(), 0);
    }
}
