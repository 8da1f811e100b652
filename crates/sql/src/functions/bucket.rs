//! `bucket(salt, id)`: a number in [0, 1) for each id, the same every time: how control groups and holdouts are drawn.
//!
//! The number is the first 53 bits of SHA-256 over the UTF-8 text `<salt>:<id>`, read as a big-endian fraction: with `h` the first
//! eight bytes of the digest as an unsigned number, `floor(h / 2^11) / 2^53`. An integer stands in it in decimal digits, without
//! leading zeros, so that `7` and `'7'` agree. SHA-256 is in the standard library of nearly every language, so that an application that
//! assigns variants finds the same bucket.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, plan_err};
use datafusion::functions::crypto::sha::SHAFunc;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::as_given::as_given;

const NAME: &str = "bucket";

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bucket {
    signature: Signature,
    digest: SHAFunc,
}

impl Bucket {
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable), digest: SHAFunc::sha256() }
    }
}

impl ScalarUDFImpl for Bucket {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    /// Ids are whole numbers or texts: other types have no one decimal text that everybody would write.
    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [salt, id] = arguments else {
            return plan_err!("{NAME} takes a salt and an id: {NAME}('holdout', customer_id)");
        };
        if !is_text(salt) {
            return plan_err!("the salt of {NAME} is a text: {NAME}('holdout', customer_id)");
        }
        if !is_text(id) && !id.is_integer() {
            return plan_err!(
                "the id of {NAME} is a text or a whole number, not {id}; write {NAME}('holdout', customer_id)"
            );
        }
        Ok(vec![DataType::Utf8, DataType::Utf8])
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [salts, ids] = texts.as_slice() else { return plan_err!("{NAME} takes a salt and an id") };
        let salted: StringArray = salts
            .as_string::<i32>()
            .iter()
            .zip(ids.as_string::<i32>())
            .map(|(salt, id)| salt.zip(id).map(|(salt, id)| format!("{salt}:{id}")))
            .collect();
        let rows = salted.len();
        let digests = self.digest.invoke_with_args(ScalarFunctionArgs {
            args: vec![ColumnarValue::Array(Arc::new(salted))],
            arg_fields: vec![Arc::new(Field::new("salted", DataType::Utf8, true))],
            number_rows: rows,
            return_field: Arc::new(Field::new("digest", DataType::Binary, true)),
            config_options: arguments.config_options,
        })?;
        let digests = digests.into_array(rows)?;
        let buckets: Float64Array =
            digests.as_binary::<i32>().iter().map(|digest| digest.and_then(fraction)).collect();
        let buckets: ArrayRef = Arc::new(buckets);
        as_given(&arguments.args, &buckets)
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The first 53 bits, as many as a double holds, as a fraction in [0, 1).
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
fn fraction(digest: &[u8]) -> Option<f64> {
    let first = digest.first_chunk::<8>()?;
    Some((u64::from_be_bytes(*first) >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use datafusion::config::ConfigOptions;
    use datafusion::scalar::ScalarValue;

    use super::*;

    /// The buckets of these ids, after the coercion that the engine does.
    fn buckets(salt: Option<&str>, ids: ArrayRef) -> Vec<Option<f64>> {
        let function = Bucket::new();
        let types = function.coerce_types(&[DataType::Utf8, ids.data_type().clone()]).unwrap();
        let ids = arrow::compute::cast(&ids, &types[1]).unwrap();
        let rows = ids.len();
        let salt = ColumnarValue::Scalar(ScalarValue::Utf8(salt.map(str::to_owned)));
        let found =
            function.invoke_with_args(arguments(vec![salt, ColumnarValue::Array(ids)], rows)).unwrap();
        found.into_array(rows).unwrap().as_primitive::<arrow::datatypes::Float64Type>().iter().collect()
    }

    fn arguments(args: Vec<ColumnarValue>, number_rows: usize) -> ScalarFunctionArgs {
        ScalarFunctionArgs {
            args,
            arg_fields: Vec::new(),
            number_rows,
            return_field: Arc::new(Field::new(NAME, DataType::Float64, true)),
            config_options: Arc::new(ConfigOptions::default()),
        }
    }

    fn many(salt: &str) -> Vec<f64> {
        let ids: ArrayRef = Arc::new((0..100_000).collect::<arrow::array::Int64Array>());
        buckets(Some(salt), ids).into_iter().flatten().collect()
    }

    /// Pearson's statistic of counts that should all be alike, which is about 99 for a hundred of them; the bounds leave out a
    /// thousandth on either side.
    fn assert_alike(counts: &[f64; 100]) {
        let expected = counts.iter().sum::<f64>() / 100.0;
        let statistic: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
        assert!((60.0..149.0).contains(&statistic), "{statistic}");
    }

    /// `int.from_bytes(hashlib.sha256(f"{salt}:{id}".encode()).digest()[:8], "big") // 2**11 / 2**53` in Python.
    #[test]
    fn values_are_those_that_anyone_computes() {
        let text = |id: &str| -> ArrayRef { Arc::new(StringArray::from(vec![id])) };
        let number = |id: i64| -> ArrayRef { Arc::new(arrow::array::Int64Array::from(vec![id])) };
        for (salt, id, expected) in [
            ("holdout-2026", text("c00001"), 0.534326812327552),
            ("holdout-2026", text("7"), 0.6234143589782873),
            ("holdout-2026", number(7), 0.6234143589782873),
            ("", text("Zoë"), 0.4440084672530986),
            ("a", text("-12"), 0.9459906430055475),
            ("a", number(-12), 0.9459906430055475),
        ] {
            assert_eq!(buckets(Some(salt), id), [Some(expected)], "{salt}");
        }
    }

    #[test]
    fn a_null_id_has_no_bucket() {
        let ids: ArrayRef = Arc::new(StringArray::from(vec![None, Some("c1")]));
        let found = buckets(Some("a"), Arc::clone(&ids));
        assert!(found[0].is_none() && found[1].is_some(), "{found:?}");
        assert_eq!(buckets(None, ids), [None, None]);
    }

    #[test]
    fn a_hundred_bins_of_a_hundred_thousand_ids_are_alike() {
        let found = many("uniform");
        assert!(found.len() == 100_000 && found.iter().all(|bucket| (0.0..1.0).contains(bucket)));
        let mut bins = [0.0; 100];
        for bucket in found {
            bins[(bucket * 100.0) as usize] += 1.0;
        }
        assert_alike(&bins);
    }

    #[test]
    fn two_salts_know_nothing_of_each_other() {
        let mut cells = [0.0; 100];
        for (one, other) in many("one").into_iter().zip(many("two")) {
            cells[(one * 10.0) as usize * 10 + (other * 10.0) as usize] += 1.0;
        }
        assert_alike(&cells);
    }

    #[test]
    fn constants_give_a_constant_that_the_engine_may_fold() {
        let function = Bucket::new();
        assert_eq!(function.signature().volatility, Volatility::Immutable);
        let constant = || ColumnarValue::Scalar(ScalarValue::from("a"));
        let found = function.invoke_with_args(arguments(vec![constant(), constant()], 5)).unwrap();
        assert!(matches!(found, ColumnarValue::Scalar(ScalarValue::Float64(Some(_)))), "{found:?}");
    }

    #[test]
    fn other_arguments_are_refused_with_an_example() {
        let (text, number, fraction) = (DataType::Utf8, DataType::Int64, DataType::Float64);
        for (types, part) in [
            (vec![text.clone()], "a salt and an id"),
            (vec![number, text.clone()], "salt of bucket is a text"),
            (vec![text, fraction], "a whole number"),
        ] {
            let message = Bucket::new().coerce_types(&types).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
