//! The table of visits: its folder, its columns, and how it is maintained.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tranche_store::layout::{Scope, Table};

/// One table for each source of visits.
pub(crate) const VISITS: Table = Table::new("visits", Scope::Source(schema));

/// Columns: the visitor and the page.
pub(crate) fn schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![text("visitor"), text("page")]))
}
