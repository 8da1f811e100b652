//! The whole number that is nearest to one in floating point, for casts: of two that are as near, the even one.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::as_given::as_given;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Nearest {
    signature: Signature,
}

/// The nearest whole number, still in floating point.
pub(crate) fn nearest(number: Expr) -> Expr {
    let function = Nearest { signature: Signature::any(1, Volatility::Immutable) };
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::new_from_impl(function)), vec![number]))
}

/// Whether an expression is such a whole number.
pub(crate) fn is_nearest(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.inner().is::<Nearest>())
}

impl ScalarUDFImpl for Nearest {
    fn name(&self) -> &'static str {
        "nearest"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let numbers = ColumnarValue::values_to_arrays(&arguments.args)?;
        let numbers = cast(&numbers[0], &DataType::Float64)?;
        let nearest: Float64Array = numbers.as_primitive::<Float64Type>().unary(f64::round_ties_even);
        let nearest: ArrayRef = Arc::new(nearest);
        as_given(&arguments.args, &nearest)
    }
}
