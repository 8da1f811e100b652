//! Measures as a refresh saves them.

use std::sync::Arc;

use jiff::Timestamp;
use tranche_schema::Contract;
use tranche_sql::scan::{Aggregate, Cells, Extract};
use tranche_store::DataFile;

use crate::plan::{Measure, Window};

/// The measures of one event table at one instant.
#[derive(Debug, Clone)]
pub(crate) struct SavedMeasures {
    /// The instant.
    pub(crate) as_of: Timestamp,
    /// The files that were read.
    pub(crate) files: Vec<DataFile>,
    /// The measures.
    pub(crate) measures: Vec<SavedMeasure>,
    /// The events of the entities that are computed again each time.
    pub(crate) extract: Option<Extract>,
}

/// A measure's values, one for each key of an index and one for rows without a key.
#[derive(Debug, Clone)]
pub(crate) struct SavedMeasure {
    /// What it is a measure of, but for its window.
    pub(crate) identity: String,
    /// The events that it counts.
    pub(crate) window: Window,
    /// The values.
    pub(crate) values: Arc<Cells>,
}

/// What a measure is of, but for its window; the same text for the same meaning.
pub(crate) fn identity(measure: &Measure, contract: &Contract) -> String {
    let text = |exprs: &mut dyn Iterator<Item = &datafusion::logical_expr::Expr>| {
        let texts: Vec<String> = exprs.map(|expr| format!("{expr:?}")).collect();
        texts.join(" AND ")
    };
    let columns = contract.arrow_schema();
    let named = measure
        .argument
        .iter()
        .chain(&measure.order)
        .chain(&measure.predicate)
        .flat_map(|expr| expr.column_refs());
    let mut types: Vec<String> = named
        .filter_map(|c| columns.field_with_name(&c.name).ok())
        .map(|f| format!("{} {}", f.name(), f.data_type()))
        .collect();
    types.sort_unstable();
    types.dedup();
    let parts = [
        format!("{:?}", measure.aggregate),
        text(&mut measure.argument.iter()),
        text(&mut measure.order.iter()),
        text(&mut measure.predicate.iter()),
        types.join(", "),
    ];
    parts.join(" | ")
}

/// Whether a measure's values can be saved: they are exact, and what is new can be added to them.
pub(crate) fn is_keepable(values: &Cells, aggregate: Aggregate) -> bool {
    aggregate != Aggregate::CountDistinct
        && matches!(values, Cells::Count(_) | Cells::Sum(_) | Cells::Wide(_) | Cells::Max(_) | Cells::Min(_))
}
