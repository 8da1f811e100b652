//! `estimates`: one row per measured experiment, the whole result as JSON beside the columns that one filters
//! by.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::columns::{AS_OF, instant};
use crate::table::{Scope, Table};

/// The table of estimates.
pub const ESTIMATES: Table = Table::new("estimates", Scope::Lake(schema));

/// The experiment.
pub const EXPERIMENT: &str = "experiment";
/// The goal, secondary or guardrail metric.
pub const METRIC: &str = "metric";
/// The metric's role in the experiment.
pub const ROLE: &str = "role";
/// The segment, `all` for everyone exposed.
pub const SEGMENT: &str = crate::columns::SEGMENT;
/// The treatment that is compared with control.
pub const VARIANT: &str = "variant";
/// The full result of the experiment as JSON, on the first row of each measurement.
pub const RESULT: &str = "result";
/// The columns of numbers, in order.
pub const NUMBERS: [&str; 12] = [
    "mean",
    "control_mean",
    "absolute_effect",
    "absolute_se",
    "absolute_lower",
    "absolute_upper",
    "absolute_p",
    "relative_effect",
    "relative_se",
    "relative_lower",
    "relative_upper",
    "relative_p",
];
/// Units in the treatment.
pub const N: &str = "n";
/// Units in control.
pub const CONTROL_N: &str = "control_n";

/// Whether all checks of the data that are gates passed; null in rows that were written without it.
pub const TRUSTWORTHY: &str = "trustworthy";

/// Columns: as_of, experiment, metric, role, segment, variant, n, control_n, [`NUMBERS`], result,
/// trustworthy.
#[must_use]
pub fn schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let mut fields = vec![
        Field::new(AS_OF, instant(), false),
        text(EXPERIMENT),
        text(METRIC),
        text(ROLE),
        text(SEGMENT),
        text(VARIANT),
        Field::new(N, DataType::Int64, false),
        Field::new(CONTROL_N, DataType::Int64, false),
    ];
    fields.extend(NUMBERS.iter().map(|name| Field::new(*name, DataType::Float64, true)));
    fields.push(Field::new(RESULT, DataType::Utf8, true));
    fields.push(Field::new(TRUSTWORTHY, DataType::Boolean, true));
    Arc::new(Schema::new(fields))
}
