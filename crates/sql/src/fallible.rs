//! Which expressions can fail for a value.
//!
//! Whole numbers and decimals cannot be divided by zero, not every text is a number, and a long decimal may overflow. Floats never fail.
//! Of functions, those fail that are not known to take every value: guarding one for nothing costs little.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use datafusion::scalar::ScalarValue;

/// Whether an expression over the rows of a schema may fail for some of them.
pub(crate) fn can_fail(expr: &Expr, schema: &DFSchema) -> bool {
    expr.exists(|part| Ok(fails(part, schema))).unwrap_or(true)
}

/// Whether a part may fail itself, whatever it is made of.
fn fails(part: &Expr, schema: &DFSchema) -> bool {
    match part {
        Expr::BinaryExpr(BinaryExpr { op: Operator::Divide | Operator::Modulo, right, .. }) => {
            !is_number_but_zero(right) && !part.get_type(schema).is_ok_and(|of| of.is_floating())
        }
        Expr::BinaryExpr(BinaryExpr {
            op: Operator::Plus | Operator::Minus | Operator::Multiply, ..
        }) => part.get_type(schema).map_or(true, |of| is_longest_decimal(&of)),
        Expr::Cast(cast) => match cast.expr.get_type(schema) {
            Ok(from) => !holds_all(cast.field.data_type(), &from),
            Err(_) => true,
        },
        Expr::ScalarFunction(call) => !SOUND_FUNCTIONS.contains(&call.func.name()),
        _ => false,
    }
}

/// Functions that have a value, or none, whatever they are given.
const SOUND_FUNCTIONS: [&str; 43] = [
    "as_of",
    "array_length",
    "btrim",
    "bucket",
    "cardinality",
    "ceil",
    "character_length",
    "coalesce",
    "concat",
    "concat_ws",
    "contains",
    "current_date",
    "date_bin",
    "date_part",
    "date_trunc",
    "ends_with",
    "floor",
    "get_field",
    "greatest",
    "isnan",
    "iszero",
    "least",
    "left",
    "length_of_time",
    "levenshtein",
    "lower",
    "ltrim",
    "md5",
    "nanvl",
    "nearest",
    "now",
    "nullif",
    "nvl",
    "nvl2",
    "octet_length",
    "reverse",
    "right",
    "rtrim",
    "starts_with",
    "strpos",
    "to_unixtime",
    "trunc",
    "upper",
];

fn is_number_but_zero(divisor: &Expr) -> bool {
    match divisor {
        Expr::Literal(value, _) => {
            !value.is_null() && ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero != *value)
        }
        Expr::Cast(cast) => is_number_but_zero(&cast.expr),
        Expr::Alias(alias) => is_number_but_zero(&alias.expr),
        _ => false,
    }
}

/// Whether a decimal has as many digits as there can be: of shorter ones, no sum or product is too long for its type.
fn is_longest_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(38, _) | DataType::Decimal256(76, _))
}

/// Whether each value of a type is one of another.
fn holds_all(to: &DataType, from: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Date64, Decimal128, Dictionary, FixedSizeBinary, LargeBinary,
        LargeUtf8, Timestamp, Utf8, Utf8View,
    };
    match (from, to) {
        (from, to) if from == to || from.is_null() => true,
        (Dictionary(_, from), to) => holds_all(to, from),
        (Binary | LargeBinary | BinaryView | FixedSizeBinary(_), _) => false,
        (_, Utf8 | LargeUtf8 | Utf8View) => true,
        (Boolean, to) => to.is_numeric(),
        (from, to) if from.is_integer() && to.is_integer() => range(to)
            .is_some_and(|(low, high)| range(from).is_some_and(|(least, most)| low <= least && most <= high)),
        (from, to) if from.is_numeric() && to.is_floating() => true,
        (from, Decimal128(precision, scale)) if from.is_integer() => {
            digits(from).is_some_and(|digits| digits <= i16::from(*precision) - i16::from(*scale))
        }
        (Decimal128(short, few), Decimal128(long, many)) => {
            let whole = |precision: &u8, scale: &i8| i16::from(*precision) - i16::from(*scale);
            few <= many && whole(short, few) <= whole(long, many)
        }
        (Timestamp(..) | Date32 | Date64, Timestamp(..) | Date32 | Date64) => true,
        _ => false,
    }
}

/// The bits of a whole number below and above zero.
fn range(data_type: &DataType) -> Option<(i16, i16)> {
    Some(match data_type {
        DataType::Int8 => (-7, 7),
        DataType::Int16 => (-15, 15),
        DataType::Int32 => (-31, 31),
        DataType::Int64 => (-63, 63),
        DataType::UInt8 => (0, 8),
        DataType::UInt16 => (0, 16),
        DataType::UInt32 => (0, 32),
        DataType::UInt64 => (0, 64),
        _ => return None,
    })
}

/// The decimal digits of a whole number's largest values.
fn digits(data_type: &DataType) -> Option<i16> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        DataType::UInt64 => 20,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, Schema};

    use super::*;
    use crate::{Engine, EngineOptions};

    #[test]
    fn some_expressions_fail_for_some_values() {
        let fields = [
            ("n", DataType::Int64),
            ("small", DataType::Int32),
            ("x", DataType::Float64),
            ("price", DataType::Decimal128(12, 2)),
            ("long", DataType::Decimal128(38, 2)),
            ("note", DataType::Utf8),
        ];
        let fields: Vec<Field> =
            fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect();
        let schema = DFSchema::try_from(Schema::new(fields)).unwrap();
        let session = Engine::new(&EngineOptions::default()).unwrap().session(jiff::Timestamp::UNIX_EPOCH);
        for (sql, expected) in [
            ("n / small > 1", true),
            ("n % small = 1", true),
            ("n / 2 > 1", false),
            ("n / 0 > 1", true),
            ("n / x > 1", false),
            ("price / n > 1", true),
            ("price + price > 1", false),
            ("long + price > 1", true),
            ("CAST(note AS bigint) > 1", true),
            ("TRY_CAST(note AS bigint) > 1", false),
            ("CAST(n AS int) > 1", true),
            ("CAST(small AS bigint) > 1", false),
            ("CAST(n AS text) = 'a'", false),
            ("lower(note) = 'a' OR n IS NULL", false),
            ("to_timestamp(note) IS NULL", true),
            ("CASE WHEN n > 0 THEN 1 / n END = 1", true),
        ] {
            assert_eq!(can_fail(&session.expression(sql, &schema).unwrap(), &schema), expected, "{sql}");
        }
    }
}
