//! The proof of an incremental result: for some entities, everything is computed again from all events.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use tranche_sql::fused::{ClassedSource, FusedInput, run};
use tranche_sql::keys::{KeyIndex, KeySample};
use tranche_sql::{Source, SqlError};

use crate::error::{Mismatch, SegmentError};
use crate::evaluate::measures::{Contribution, Values, groups_of, values};
use crate::evaluate::scans::TableScan;
use crate::plan::{Measure, Program};

/// Which entities are computed again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// The share of entities, in (0, 1].
    pub(crate) share: f64,
    /// At least so many.
    pub(crate) least: u32,
}

impl Default for Sample {
    fn default() -> Self {
        Self { share: 0.01, least: 1_000 }
    }
}

impl Sample {
    /// The numbers of the entities: the same for the same number of entities and instant, others on the next day.
    fn numbers(self, entities: u32, as_of: i64) -> Vec<u32> {
        let share = self.share.max(f64::from(self.least) / f64::from(entities.max(1))).min(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a threshold")]
        let threshold = (share * u64::MAX as f64) as u64;
        (0..entities).filter(|&number| mixed(u64::from(number) ^ as_of.cast_unsigned().rotate_left(17)) <= threshold).collect()
    }
}

/// The finalizer of SplitMix64 (Steele, Lea & Flood 2014): every bit of the input changes half of the output's.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Computes the measures of a sample from all events, and holds what was found against it; returns the rows that were read.
///
/// # Errors
/// [`SegmentError::Proof`] with the first entity that differs.
pub(crate) async fn prove(
    scan: &TableScan<'_>,
    found: &[Arc<Values>],
    index: &Arc<KeyIndex>,
    sample: Sample,
    program: &Program,
) -> Result<u64, SegmentError> {
    let Some(sources) = scan.tables.sources(&scan.contract.table)? else { return Ok(0) };
    let numbers = sample.numbers(index.len(), scan.session.as_of().as_microsecond());
    let whole = |measure: &Measure| vec![Contribution { class: 0, window: measure.window, sign: 1 }];
    let wanted: Vec<(&Measure, Vec<Contribution>)> = scan.scan.measures.iter().map(|m| (m, whole(m))).collect();
    let (groups, recipes) = groups_of(&wanted);
    let input = FusedInput {
        contract: scan.contract,
        key: &scan.scan.key,
        objects: sources.objects,
        sources: sources.sources.into_iter().map(|source: Source| ClassedSource { class: 0, source }).collect(),
        sample: Some(Arc::new(KeySample::new(numbers.clone()))),
        progress: None,
    };
    let mut shared = Arc::clone(index);
    let fused = run(&groups, input, &mut shared, scan.session).await?;
    for ((place, recipe), measure) in recipes.iter().enumerate().zip(&scan.scan.measures) {
        let again = values(&fused.cells[recipe.group], &groups[recipe.group], recipe, numbers.len() + 1, None);
        if let Some(row) = (0..numbers.len()).find(|&row| !again.same(row, &found[place], numbers[row] as usize)) {
            let key = cast(&index.column(std::iter::once(numbers[row]))?, &DataType::Utf8).map_err(SqlError::from)?;
            return Err(SegmentError::Proof(Box::new(Mismatch {
                entity: key.as_string::<i32>().value(0).to_owned(),
                table: scan.contract.table.clone(),
                measure: measure.to_string(),
                users: program.users(&scan.contract.table, place).join(", "),
                incremental: found[place].shown(numbers[row] as usize),
                full: again.shown(row),
            })));
        }
    }
    Ok(fused.rows_read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_share_of_the_entities_and_another_each_day() {
        let sample = Sample::default();
        let (monday, tuesday) = (sample.numbers(1_000_000, 1), sample.numbers(1_000_000, 86_400_000_001));
        assert!((9_700..10_300).contains(&monday.len()), "{}", monday.len());
        assert_eq!(monday, sample.numbers(1_000_000, 1));
        let both = monday.iter().filter(|number| tuesday.binary_search(number).is_ok()).count();
        assert!((50..200).contains(&both), "{both}");
        assert_eq!(sample.numbers(700, 1).len(), 700);
        let few = sample.numbers(10_000, 1).len();
        assert!((900..1_100).contains(&few), "{few}");
    }
}
