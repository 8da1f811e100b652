//! What a refresh must read of a table, given what an earlier one saved.
//!
//! Let `S0` be a measure over its window `W0` of the files then, and `S1` the one over `W1` of the files now. Files
//! are immutable, so that each is kept, removed or added since. Then
//! `S1 = S0 + kept(W1 \ W0) - kept(W0 \ W1) - removed(W0) + added(W1)`,
//! and a measure that is not saved is the same with `W0` empty. A largest or smallest value cannot be subtracted
//! again, but for the latest event of a sliding window: what leaves the window is older than all that stays.

use std::collections::HashMap;

use datafusion::logical_expr::Expr;
use tranche_incremental::{FileClass, Unusable, classify};
use tranche_schema::Contract;
use tranche_sql::scan::{Aggregate, Cells, ClassedSource, Source};
use tranche_store::DataFile;

use super::measures::{Contribution, Wanted};
use crate::plan::{Measure, Scan, Window};
use crate::state::{SavedMeasure, SavedMeasures, identity};

const KEPT: usize = 0;
pub(crate) const REMOVED: usize = 1;
const ADDED: usize = 2;

/// What to read of a table.
#[derive(Debug)]
pub(crate) struct Changes {
    /// What is read, in classes.
    pub(crate) sources: Vec<ClassedSource>,
    /// For each measure, what it is made of.
    pub(crate) measures: Vec<Change>,
}

/// How a measure continues from a saved one.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) contributions: Vec<Contribution>,
    /// The saved measure that it starts from, or why it is computed from all events.
    pub(crate) base: Result<usize, String>,
}

impl Changes {
    /// What to read for the measures of a scan, where some are saved, or else why none are.
    pub(crate) fn since(
        kept: Result<&SavedMeasures, &Unusable>,
        scan: &Scan,
        contract: &Contract,
        sources: Vec<Source>,
    ) -> Self {
        let (sources, removed) = classed(kept.map_or(&[], |kept| kept.files.as_slice()), sources);
        let bases = kept.ok().map(|kept| by_identity(&kept.measures)).unwrap_or_default();
        let mut measures: Vec<Change> =
            scan.measures.iter().map(|measure| change(measure, contract, kept, &bases, &removed)).collect();
        // A class without files has nothing to add, and its cells would only take room.
        let has_files = |class: usize| sources.iter().any(|source| source.class == class);
        let there = [has_files(KEPT), has_files(REMOVED), has_files(ADDED)];
        for change in &mut measures {
            change.contributions.retain(|contribution| there[contribution.class]);
        }
        Self { sources, measures }
    }

    /// The measures of the scan, as what is to be read says.
    pub(crate) fn wanted<'a>(&self, scan: &'a Scan) -> Vec<Wanted<'a>> {
        let measures = scan.measures.iter().zip(&self.measures);
        let wanted = measures.map(|(measure, Change { contributions, base })| Wanted {
            measure,
            contributions: contributions.clone(),
            is_incremental: base.is_ok(),
        });
        wanted.collect()
    }
}

fn number(class: FileClass) -> usize {
    match class {
        FileClass::Kept => KEPT,
        FileClass::Removed => REMOVED,
        FileClass::Added => ADDED,
    }
}

/// The sources in their classes, and the time ranges of removed files.
fn classed(before: &[DataFile], sources: Vec<Source>) -> (Vec<ClassedSource>, Vec<(i64, i64)>) {
    let mut removed = Vec::new();
    let of = |(class, source): (FileClass, Source)| {
        if class == FileClass::Removed {
            removed.push(source.times());
        }
        ClassedSource { class: number(class), ..source.into() }
    };
    (classify(before, sources).into_iter().map(of).collect(), removed)
}

fn by_identity(measures: &[SavedMeasure]) -> HashMap<&str, Vec<usize>> {
    let mut found: HashMap<&str, Vec<usize>> = HashMap::new();
    for (number, measure) in measures.iter().enumerate() {
        found.entry(&measure.identity).or_default().push(number);
    }
    found
}

fn change(
    measure: &Measure,
    contract: &Contract,
    kept: Result<&SavedMeasures, &Unusable>,
    bases: &HashMap<&str, Vec<usize>>,
    removed: &[(i64, i64)],
) -> Change {
    let full = |reason: &str| {
        let whole = |class| Contribution { class, window: measure.window, sign: 1 };
        Change { contributions: vec![whole(KEPT), whole(ADDED)], base: Err(reason.to_owned()) }
    };
    let kept = match kept {
        Ok(kept) => kept,
        Err(reason) => return full(&reason.to_string()),
    };
    let candidates = bases.get(identity(measure, contract).as_str()).map_or(&[][..], Vec::as_slice);
    // The window that shares most with ours: a changed constant costs the events in between.
    let distance = |&&number: &&usize| {
        let window = kept.measures[number].window;
        i128::from(window.from).abs_diff(measure.window.from.into())
            + i128::from(window.to).abs_diff(measure.window.to.into())
    };
    let Some(&base) = candidates.iter().min_by_key(distance) else {
        return full(match measure.aggregate {
            Aggregate::CountDistinct => "distinct values of two days cannot be added up",
            Aggregate::Variance => "variances are not saved",
            Aggregate::First | Aggregate::Last => "first and last values are not saved",
            Aggregate::Sum if !bases.is_empty() && is_float(measure, contract) => {
                "sums of floats are not saved"
            }
            _ => "it is new",
        });
    };
    let (before, now) = (kept.measures[base].window, measure.window);
    let mut contributions = Vec::new();
    let mut add = |class, windows: Vec<Window>, sign| {
        contributions.extend(windows.into_iter().map(|window| Contribution { class, window, sign }));
    };
    let leaves = without(before, now);
    let is_removed = removed.iter().any(|&(from, to)| from < before.to && before.from < to);
    match kept.measures[base].values.as_ref() {
        Cells::Max(_) | Cells::Min(_) => {
            if is_removed {
                return full("events were corrected, and a largest or smallest value cannot be taken away");
            }
            let only_older = leaves.iter().all(|window| window.to <= now.from);
            if !(leaves.is_empty() || (only_older && is_latest_event(measure, contract))) {
                return full("a largest or smallest value that leaves the window cannot be taken away");
            }
        }
        _ => add(KEPT, leaves, -1),
    }
    add(KEPT, without(now, before), 1);
    add(REMOVED, vec![before], -1);
    add(ADDED, vec![now], 1);
    Change { contributions, base: Ok(base) }
}

fn is_float(measure: &Measure, contract: &Contract) -> bool {
    let columns = measure.argument.iter().flat_map(Expr::column_refs);
    let schema = contract.arrow_schema();
    columns
        .into_iter()
        .any(|c| schema.field_with_name(&c.name).is_ok_and(|field| field.data_type().is_floating()))
}

/// Whether it is the largest event time.
pub(crate) fn is_latest_event(measure: &Measure, contract: &Contract) -> bool {
    let is_clock = |expr: &Expr| matches!(expr, Expr::Column(column) if Some(column.name.as_str()) == contract.event_time());
    measure.aggregate == Aggregate::Max && measure.argument.as_ref().is_some_and(is_clock)
}

/// The parts of a window outside another.
fn without(window: Window, other: Window) -> Vec<Window> {
    if other.is_empty() {
        return vec![window];
    }
    let before = Window { from: window.from, to: window.to.min(other.from) };
    let after = Window { from: window.from.max(other.to), to: window.to };
    [before, after].into_iter().filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_enters_and_leaves_a_window() {
        let window = |from, to| Window { from, to };
        let check = |a: (i64, i64), b: (i64, i64), expected: &[(i64, i64)]| {
            let found: Vec<_> =
                without(window(a.0, a.1), window(b.0, b.1)).iter().map(|w| (w.from, w.to)).collect();
            assert_eq!(found, expected, "{a:?} without {b:?}");
        };
        check((0, 10), (2, 12), &[(0, 2)]);
        check((2, 12), (0, 10), &[(10, 12)]);
        check((0, 10), (3, 4), &[(0, 3), (4, 10)]);
        check((0, 10), (20, 30), &[(0, 10)]);
        check((0, 10), (0, 0), &[(0, 10)]);
        check((3, 4), (0, 10), &[]);
        check((i64::MIN, 10), (i64::MIN, 8), &[(8, 10)]);
    }
}
