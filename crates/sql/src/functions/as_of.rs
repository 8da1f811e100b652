//! `as_of()`: the logical instant a result is true for, and the only clock that a definition has.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use jiff::Timestamp;
use tranche_schema::platform;

/// The function; each session has its own, with its instant inside.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct AsOf {
    signature: Signature,
    microseconds: i64,
}

impl AsOf {
    pub(crate) const NAME: &str = "as_of";

    pub(crate) fn new(as_of: Timestamp) -> Self {
        Self { signature: Signature::nullary(Volatility::Stable), microseconds: as_of.as_microsecond() }
    }

    fn value(&self) -> ScalarValue {
        ScalarValue::TimestampMicrosecond(Some(self.microseconds), Some("UTC".into()))
    }
}

impl ScalarUDFImpl for AsOf {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(platform::instant())
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value()))
    }

    /// A literal from the start, so that windows are pushed down to the files.
    fn simplify(&self, _arguments: Vec<Expr>, _context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(self.value(), None)))
    }
}
