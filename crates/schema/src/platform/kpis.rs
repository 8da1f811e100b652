//! `kpis`: one row per report, period, segment and metric.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::columns::{AS_OF, SEGMENT, instant};
use crate::table::{Scope, Table};

/// The table of KPIs.
pub const KPIS: Table = Table::new("kpis", Scope::Lake(schema));

/// The report.
pub const REPORT: &str = "report";
/// The metric.
pub const METRIC: &str = "metric";
/// First instant of the period.
pub const PERIOD_FROM: &str = "period_from";
/// First instant after the period.
pub const PERIOD_TO: &str = "period_to";
/// Members of the segment.
pub const N: &str = "n";
/// The metric's value.
pub const VALUE: &str = "value";
/// Lower end of its 95 % interval.
pub const LOWER: &str = "lower";
/// Upper end of its 95 % interval.
pub const UPPER: &str = "upper";

/// Columns in the order of the constants above, `segment` after the metric.
#[must_use]
pub fn schema() -> SchemaRef {
    let number = |name| Field::new(name, DataType::Float64, true);
    Arc::new(Schema::new(vec![
        Field::new(AS_OF, instant(), false),
        Field::new(REPORT, DataType::Utf8, false),
        Field::new(METRIC, DataType::Utf8, false),
        Field::new(SEGMENT, DataType::Utf8, false),
        Field::new(PERIOD_FROM, instant(), false),
        Field::new(PERIOD_TO, instant(), false),
        Field::new(N, DataType::Int64, false),
        number(VALUE),
        number(LOWER),
        number(UPPER),
    ]))
}
