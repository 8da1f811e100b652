//! `estimate_series`: one row per measured experiment, metric, treatment, day and span; everyone taken
//! together.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::estimates;
use crate::columns::{AS_OF, instant};
use crate::table::{Scope, Table};

/// The table of series.
pub const ESTIMATE_SERIES: Table = Table::new("estimate_series", Scope::Lake(schema));

/// The day, in the project's time zone.
pub const DAY: &str = "day";
/// `daily`: units first exposed on the day; `cumulative`: on the day or before.
pub const SPAN: &str = "span";

/// Columns: as_of, experiment, metric, role, variant, day, span, n, control_n, [`estimates::NUMBERS`],
/// trustworthy.
#[must_use]
pub fn schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let mut fields = vec![
        Field::new(AS_OF, instant(), false),
        text(estimates::EXPERIMENT),
        text(estimates::METRIC),
        text(estimates::ROLE),
        text(estimates::VARIANT),
        Field::new(DAY, DataType::Date32, false),
        text(SPAN),
        Field::new(estimates::N, DataType::Int64, false),
        Field::new(estimates::CONTROL_N, DataType::Int64, false),
    ];
    fields.extend(estimates::NUMBERS.iter().map(|name| Field::new(*name, DataType::Float64, true)));
    fields.push(Field::new(estimates::TRUSTWORTHY, DataType::Boolean, false));
    Arc::new(Schema::new(fields))
}
