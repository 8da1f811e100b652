//! Quotients of decimals: floating point, as those of most engines, where a decimal would end some digits behind the point.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::as_given::as_given;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Quotient {
    signature: Signature,
}

/// `left / right`, numbers of which one is a decimal and none floating point. Fails where `right` is zero.
pub(crate) fn quotient(left: Expr, right: Expr) -> Expr {
    let function = Quotient { signature: Signature::any(2, Volatility::Immutable) };
    let function = Arc::new(ScalarUDF::new_from_impl(function));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![left, right]))
}

/// Dividend and divisor of a quotient of decimals.
pub(super) fn operands(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::ScalarFunction(call) if call.func.inner().is::<Quotient>() => Some(&call.args),
        _ => None,
    }
}

impl ScalarUDFImpl for Quotient {
    fn name(&self) -> &'static str {
        "quotient"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(" / "))
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(arguments.iter().map(|part| part.schema_name().to_string()).collect::<Vec<_>>().join(" / "))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let numbers = ColumnarValue::values_to_arrays(&arguments.args)?;
        let (left, right) = (cast(&numbers[0], &DataType::Float64)?, cast(&numbers[1], &DataType::Float64)?);
        let (left, right) = (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>());
        if (0..left.len()).any(|row| left.is_valid(row) && right.is_valid(row) && right.value(row) == 0.0) {
            return exec_err!("Divide by zero");
        }
        let quotients: Float64Array =
            left.iter().zip(right).map(|(left, right)| Some(left? / right?)).collect();
        let quotients: ArrayRef = Arc::new(quotients);
        as_given(&arguments.args, &quotients)
    }
}
