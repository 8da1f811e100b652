//! The scans of a program: one for each event table.

use std::collections::HashMap;
use std::sync::Arc;

use tranche_sql::fused::{ClassedSource, FusedInput, run};
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Session, Tables};

use super::Cost;
use super::measures::{Contribution, Values, groups_of, values};
use crate::definitions::Definitions;
use crate::error::SegmentError;
use crate::plan::{Measure, Program};

/// The measures of each table, and what it took to compute them.
pub(crate) struct Scanned {
    pub(crate) measures: HashMap<String, Vec<Values>>,
    pub(crate) rows_read: u64,
    pub(crate) bytes_read: u64,
}

/// Computes all measures of a program from all events.
pub(crate) async fn full(
    definitions: &Definitions,
    program: &Program,
    tables: &Tables,
    index: &mut Arc<KeyIndex>,
    session: &Session,
) -> Result<Scanned, SegmentError> {
    let mut scanned = Scanned { measures: HashMap::new(), rows_read: 0, bytes_read: 0 };
    for (table, scan) in &program.scans {
        let whole = |measure: &'_ Measure| vec![Contribution { class: 0, window: measure.window, sign: 1 }];
        let wanted: Vec<(&Measure, Vec<Contribution>)> = scan.measures.iter().map(|m| (m, whole(m))).collect();
        let sources = match tables.sources(table)? {
            Some(found) => found.sources.into_iter().map(|source| ClassedSource { class: 0, source }).collect(),
            None => Vec::new(),
        };
        let (values, cost) = compute(definitions, (table, &scan.key), &wanted, sources, tables, index, session).await?;
        scanned.rows_read += cost.rows_read;
        scanned.bytes_read += cost.bytes_read;
        scanned.measures.insert(table.clone(), values);
    }
    Ok(scanned)
}

/// Computes measures of a table from some of its events.
pub(crate) async fn compute(
    definitions: &Definitions,
    (table, key): (&str, &str),
    wanted: &[(&Measure, Vec<Contribution>)],
    sources: Vec<ClassedSource>,
    tables: &Tables,
    index: &mut Arc<KeyIndex>,
    session: &Session,
) -> Result<(Vec<Values>, Cost), SegmentError> {
    let unknown = || SegmentError::Unknown(table.to_owned());
    let contract = definitions.contracts.get(table).ok_or_else(unknown)?;
    let (groups, recipes) = groups_of(wanted);
    let objects = match tables.sources(table)? {
        Some(found) => found.objects,
        None => Arc::new(object_store::memory::InMemory::new()),
    };
    let input = FusedInput { contract, key, objects, sources, sample: None, progress: None };
    let fused = run(&groups, input, index, session).await?;
    let rows = index.len() as usize + 1;
    let found = recipes
        .iter()
        .map(|recipe| values(&fused.cells[recipe.group], &groups[recipe.group], recipe, rows, None))
        .collect();
    Ok((found, Cost { rows_read: fused.rows_read, bytes_read: fused.bytes_read }))
}
