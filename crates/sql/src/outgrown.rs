//! Sums that have no place in their type.

use arrow::datatypes::DataType;

use crate::{SqlError, type_name};

/// The error of such a sum.
#[must_use]
pub fn outgrown(data_type: &DataType) -> SqlError {
    SqlError::Data(reason(data_type))
}

/// What to say of it.
pub(crate) fn reason(data_type: &DataType) -> String {
    let name = type_name(data_type);
    format!("a sum is outside of {name}; sum decimals instead: sum(CAST(x AS DECIMAL(38, 0)))")
}
