//! Sums, differences and products of whole numbers that fail where they outgrow their type; the engine's operators begin anew at the
//! other end.

use std::sync::Arc;

use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, exec_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

/// The function that stands for an operator.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    signature: Signature,
    operator: Operator,
}

/// The checked form of `left operator right`, both whole numbers of one type; `None` for other operators.
pub(crate) fn checked(left: Expr, operator: Operator, right: Expr) -> Option<Expr> {
    let is_arithmetic = matches!(operator, Operator::Plus | Operator::Minus | Operator::Multiply);
    let signature = Signature::any(2, Volatility::Immutable);
    is_arithmetic.then(|| {
        let function = Arc::new(ScalarUDF::new_from_impl(Checked { signature, operator }));
        Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![left, right]))
    })
}

/// The operands of a checked sum, difference or product.
pub(super) fn operands(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::ScalarFunction(call) if call.func.inner().is::<Checked>() => Some(&call.args),
        _ => None,
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.operator {
            Operator::Plus => "add",
            Operator::Minus => "subtract",
            _ => "multiply",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [left, right] if left == right && left.is_integer() => Ok(left.clone()),
            _ => plan_err!("{} takes two whole numbers of one type", self.name()),
        }
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        match arguments {
            [left, right] => Ok(format!("{left} {} {right}", self.operator)),
            _ => plan_err!("{} takes two whole numbers", self.name()),
        }
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        match arguments {
            [left, right] => Ok(format!("{} {} {}", left.schema_name(), self.operator, right.schema_name())),
            _ => plan_err!("{} takes two whole numbers", self.name()),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = arguments.args.as_slice() else {
            return plan_err!("{} takes two whole numbers", self.name());
        };
        let computed = match self.operator {
            Operator::Plus => apply(left, right, add),
            Operator::Minus => apply(left, right, sub),
            _ => apply(left, right, mul),
        };
        computed.or_else(|error| match error {
            DataFusionError::ArrowError(..) => exec_err!(
                "a whole number is outside of {}, which `{}` was to give; cast one side to a decimal: CAST(x AS DECIMAL(38, 0))",
                arguments.return_field.data_type(),
                self.operator
            ),
            other => Err(other),
        })
    }
}
