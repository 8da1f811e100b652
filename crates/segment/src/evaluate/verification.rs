//! Sampled verification of measures that continue from saved state: for some entities, everything is recomputed from
//! all events.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use tranche_incremental::Mismatch;
use tranche_sql::SqlError;
use tranche_sql::keys::{KeyIndex, KeySample};
use tranche_sql::scan::{Cells, ClassedSource, Extract, GroupedScan, Source, Totals};

use super::measures::{Recipe, Wanted, groups_of, measures_of};
use super::table_scan::{FailedMeasures, SampleEvents, TableScan, failed_measures};
use crate::error::SegmentError;
use crate::plan::Program;

/// What a verification read.
pub(super) struct Verification {
    /// Rows that were read from files.
    pub(super) rows_read: u64,
    /// The events of the sample, those that were captured from files among them.
    pub(super) sample: SampleEvents,
}

/// Recomputes the measures of a sample from all of its events, and compares them with those found, as far as none failed. Events that were
/// captured from files before are not read again: files never change. The others are captured where they are saved.
///
/// # Errors
/// [`SegmentError::Mismatch`] with the first entity that differs.
pub(super) async fn verify_sample(
    scan: &TableScan<'_>,
    (found, failed): (&[Arc<Cells>], &FailedMeasures),
    index: &Arc<KeyIndex>,
    sample: SampleEvents,
    program: &Program,
) -> Result<Verification, SegmentError> {
    let Some(sources) = scan.tables.sources(&scan.contract.table)? else {
        return Ok(Verification { rows_read: 0, sample });
    };
    let SampleEvents { extract: known, is_saved } = sample;
    let wanted: Vec<Wanted<'_>> =
        scan.scan.measures.iter().map(|measure| Wanted::whole(measure, 0)).collect();
    let (groups, recipes) = groups_of(&wanted);
    let sample = Arc::new(KeySample::new(known.share, index));
    let is_known: HashSet<&str> = known.files.iter().map(|(path, _)| path.as_str()).collect();
    let in_files = sources.sources.into_iter().filter(|source| match source {
        Source::File(file) => !is_known.contains(file.path.as_str()),
        Source::Rows { .. } => true,
    });
    let in_files = in_files.map(|source| ClassedSource { class: 0, source, is_extracted: is_saved });
    let again = GroupedScan {
        contract: scan.contract,
        key: &scan.scan.key,
        groups: &groups,
        objects: sources.objects,
        sources: slices(&known.rows).chain(in_files).collect(),
        start: HashMap::new(),
        share: Some(known.share).filter(|_| is_saved),
        sample: Some(Arc::clone(&sample)),
    };
    let again = again.run(index, scan.session).await?;
    let rows_read = again.rows_read.saturating_sub(again.rows_in_memory);
    let Totals { columns, failures, extracts } = again.partial.finish(&mut Arc::clone(index))?;
    let failed_again = failed_measures(&failures, &recipes);
    let mut by_group: Vec<Vec<(usize, Recipe)>> = vec![Vec::new(); groups.len()];
    recipes
        .into_iter()
        .enumerate()
        .for_each(|(number, recipe)| by_group[recipe.group].push((number, recipe)));
    let again =
        columns.into_iter().zip(by_group).flat_map(|(columns, recipes)| measures_of(columns, recipes));
    let numbers = sample.numbers();
    let is_known = |place: &usize| !failed.contains_key(place) && !failed_again.contains_key(place);
    for (place, again) in again.filter(|(place, _)| is_known(place)) {
        if let Some(row) =
            (0..numbers.len()).find(|&row| !same(&again, row, &found[place], numbers[row] as usize))
        {
            let key = cast(&index.column(std::iter::once(numbers[row]))?, &DataType::Utf8)
                .map_err(SqlError::from)?;
            let users = program.users(&scan.contract.table, place);
            return Err(SegmentError::Mismatch(Box::new(Mismatch {
                population: scan.scan.key.clone(),
                key: key.as_string::<i32>().value(0).to_owned(),
                table: scan.contract.table.clone(),
                quantity: scan.scan.measures[place].to_string(),
                used_by: users.into_iter().map(str::to_owned).collect(),
                incremental: describe(&found[place], numbers[row] as usize),
                full: describe(&again, row),
            })));
        }
    }
    let before = known.by_file().map(|(path, rows)| (path.to_owned(), rows));
    let files = before.chain(extracts).collect();
    let extract = Extract::of(known.share, &known.rows.schema(), files)?;
    Ok(Verification { rows_read, sample: SampleEvents { extract, is_saved } })
}

/// Captured rows as sources.
fn slices(rows: &RecordBatch) -> impl Iterator<Item = ClassedSource> {
    let starts = (0..rows.num_rows()).step_by(SLICE_ROWS);
    starts.map(|start| Source::rows(rows.slice(start, SLICE_ROWS.min(rows.num_rows() - start))).into())
}

/// Captured rows that are read together.
const SLICE_ROWS: usize = 1 << 14;

/// Whether a value is the same as another measure's; what never continues from saved state is not compared.
fn same(a: &Cells, a_row: usize, b: &Cells, b_row: usize) -> bool {
    match (a, b) {
        (Cells::Count(a), Cells::Count(b)) => a[a_row] == b[b_row],
        (Cells::Sum(a), Cells::Sum(b)) => a[a_row] == b[b_row],
        (Cells::Wide(a), Cells::Wide(b)) => a[a_row] == b[b_row],
        (Cells::Wide(wide), Cells::Sum(sums)) => wide[a_row] == i128::from(sums[b_row]),
        (Cells::Sum(sums), Cells::Wide(wide)) => i128::from(sums[a_row]) == wide[b_row],
        (Cells::Max(a), Cells::Max(b)) | (Cells::Min(a), Cells::Min(b)) => a[a_row] == b[b_row],
        (Cells::Float(_), Cells::Float(_))
        | (Cells::Variance(_), Cells::Variance(_))
        | (Cells::Edge(_), Cells::Edge(_)) => true,
        _ => false,
    }
}

/// The value of a row as text, for people.
fn describe(cells: &Cells, row: usize) -> String {
    match cells {
        Cells::Count(values) => values[row].to_string(),
        Cells::Sum(values) => values[row].to_string(),
        Cells::Wide(values) => values[row].to_string(),
        Cells::Float(values) => values[row].value().to_string(),
        Cells::Max(values) | Cells::Min(values) if values[row] == i64::MIN => "nothing".to_owned(),
        Cells::Max(values) => values[row].to_string(),
        Cells::Min(values) => (!values[row]).to_string(),
        Cells::Variance(values) => format!("{:?}", values[row]),
        Cells::Edge(values) => format!("{:?}", values[row]),
        Cells::Distinct(pairs) => format!("{} pairs", pairs.len()),
    }
}
