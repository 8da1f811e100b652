//! `to_char` of instants as they are: the engine's signature turns them into nanoseconds, which end in 2262.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, plan_err};
use datafusion::functions::datetime::to_char;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The engine's function for values of their own type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ToChar {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ToChar {
    pub(crate) fn new() -> Self {
        Self { inner: to_char(), signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ToChar {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments {
            [of, _] if of.is_temporal() => Ok(vec![of.clone(), DataType::Utf8]),
            [DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, _] => {
                Ok(vec![DataType::Timestamp(TimeUnit::Microsecond, None), DataType::Utf8])
            }
            [DataType::Null, _] => Ok(vec![DataType::Date32, DataType::Utf8]),
            [other, _] => {
                plan_err!("to_char takes a date, a time or an instant, not a value of type {other}")
            }
            _ => plan_err!("to_char takes a date, a time or an instant, and a pattern"),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(arguments)
    }
}
