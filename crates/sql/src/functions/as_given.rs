//! Results in the form of their arguments.

use arrow::array::ArrayRef;
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;

/// The value of constants as a constant, which the engine may fold; that of columns as a column.
pub(super) fn as_given(arguments: &[ColumnarValue], values: &ArrayRef) -> Result<ColumnarValue> {
    Ok(match arguments.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_))) {
        true => ColumnarValue::Scalar(ScalarValue::try_from_array(values, 0)?),
        false => ColumnarValue::Array(ArrayRef::clone(values)),
    })
}
