//! Types of raw columns: those of contracts, and what is nested in each other: `list(T)`, `struct(name T, ...)`, `map(utf8, T)`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use thiserror::Error;

use crate::parse_column_type;

/// The author's: a type that raw columns do not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "unknown type `{0}`; use one of int32, int64, float64, utf8, boolean, date32, timestamp(us, UTC), decimal(precision,scale), \
     list(type), struct(name type, ...), map(utf8, type)"
)]
pub struct RawTypeError(String);

/// Types within types: more are no definition that a person writes.
const DEEPEST: usize = 32;

/// Reads the type of a raw column as a source writes it. Blanks do not matter, and letter case only in the names of a struct, which may
/// stand in double quotes.
///
/// # Errors
/// [`RawTypeError`] with the part that names no type.
pub fn parse_raw_type(text: &str) -> Result<DataType, RawTypeError> {
    let mut reader = Reader { rest: text };
    let data_type = reader.data_type(0)?;
    if reader.rest.trim().is_empty() { Ok(data_type) } else { Err(RawTypeError(text.trim().to_owned())) }
}

/// What is left of a type's text.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn data_type(&mut self, depth: usize) -> Result<DataType, RawTypeError> {
        let (start, word) = (self.rest.trim_start(), self.word());
        let unknown = |reader: &Self| {
            let read = start.len() - reader.rest.len();
            let shown = start[..read].trim();
            RawTypeError(if shown.is_empty() { start.trim() } else { shown }.to_owned())
        };
        let read = match word.to_ascii_lowercase().as_str() {
            _ if depth > DEEPEST => return Err(unknown(self)),
            "list" if self.take('(') => {
                DataType::List(Arc::new(Field::new("element", self.data_type(depth + 1)?, true)))
            }
            "struct" if self.take('(') => DataType::Struct(self.fields(depth)?),
            "map" if self.take('(') => {
                let is_text = self.data_type(depth + 1)? == DataType::Utf8;
                if !is_text || !self.take(',') {
                    return Err(unknown(self));
                }
                map_of(self.data_type(depth + 1)?)
            }
            _ => {
                self.skip_arguments();
                let written = &start[..start.len() - self.rest.len()];
                return parse_column_type(written).map_err(|_| unknown(self));
            }
        };
        if self.take(')') { Ok(read) } else { Err(unknown(self)) }
    }

    fn fields(&mut self, depth: usize) -> Result<Fields, RawTypeError> {
        let mut fields = Vec::<Field>::new();
        loop {
            let name = self.name();
            if name.is_empty() || fields.iter().any(|field| field.name() == name) {
                return Err(RawTypeError(format!("{name}{}", self.rest)));
            }
            fields.push(Field::new(name, self.data_type(depth + 1)?, true));
            if !self.take(',') {
                return Ok(fields.into());
            }
        }
    }

    /// A name, in double quotes or a word.
    fn name(&mut self) -> &'a str {
        let Some(rest) = self.rest.trim_start().strip_prefix('"') else { return self.word() };
        let (name, rest) = rest.split_once('"').unwrap_or(("", rest));
        self.rest = rest;
        name
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        word
    }

    fn take(&mut self, sign: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// The numbers of a decimal, or the unit of an instant.
    fn skip_arguments(&mut self) {
        let rest = self.rest.trim_start();
        if rest.starts_with('(')
            && let Some(end) = rest.find(')')
        {
            self.rest = &rest[end + 1..];
        }
    }
}

/// The type of maps from texts to values of a type.
fn map_of(values: DataType) -> DataType {
    let entries = vec![Field::new("key", DataType::Utf8, false), Field::new("value", values, true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries.into()), false)), false)
}

/// A type as definitions write it; one that they do not have by the name that the field gives it.
#[must_use]
pub fn raw_type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "utf8".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".to_owned(),
        DataType::FixedSizeBinary(bytes) => format!("binary({bytes})"),
        DataType::Dictionary(_, values) => raw_type_name(values),
        DataType::RunEndEncoded(_, values) => raw_type_name(values.data_type()),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Timestamp(unit, None) => format!("timestamp({})", unit_name(*unit)),
        DataType::Timestamp(unit, Some(zone)) => format!("timestamp({}, {zone})", unit_name(*unit)),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("time({})", unit_name(*unit)),
        DataType::Duration(unit) => format!("duration({})", unit_name(*unit)),
        DataType::Interval(_) => "interval".to_owned(),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => format!("list({})", raw_type_name(item.data_type())),
        DataType::Struct(fields) => format!("struct({})", struct_fields(fields)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let types: Vec<String> =
                    fields.iter().map(|field| raw_type_name(field.data_type())).collect();
                format!("map({})", types.join(", "))
            }
            _ => "map".to_owned(),
        },
        other => other.to_string().to_lowercase(),
    }
}

fn struct_fields(fields: &Fields) -> String {
    let is_word = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let shown = |field: &Arc<Field>| {
        let (name, data_type) = (field.name(), raw_type_name(field.data_type()));
        if is_word(name) { format!("{name} {data_type}") } else { format!("\"{name}\" {data_type}") }
    };
    fields.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type is written again as it is read, or its wrong part is named.
    fn check(text: &str, expected: Result<&str, &str>) {
        let found = parse_raw_type(text).map(|data_type| raw_type_name(&data_type));
        match (found, expected) {
            (Ok(written), Ok(expected)) => assert_eq!(written, expected),
            (Err(RawTypeError(part)), Err(expected)) => assert_eq!(part, expected, "{text}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn types_may_be_nested_in_each_other() {
        for text in [
            "int64",
            "decimal(18,2)",
            "timestamp(us, UTC)",
            "list(utf8)",
            "list(struct(sku utf8, price decimal(10,2), at timestamp(us, UTC)))",
            "struct(OS utf8, \"screen size\" struct(w int32, h int32))",
            "map(utf8, list(float64))",
        ] {
            check(text, Ok(text));
        }
        check(" STRUCT ( a Int64,b  List( UTF8 ) ) ", Ok("struct(a int64, b list(utf8))"));
    }

    #[test]
    fn what_is_no_type_is_named() {
        check("string", Err("string"));
        check("list(string)", Err("string"));
        check("list", Err("list"));
        check("struct(a)", Err(")"));
        check("struct(a int64, a int64)", Err("a int64)"));
        check("map(int64, utf8)", Err("map(int64"));
        check("list(utf8", Err("list(utf8"));
        check("int64)", Err("int64)"));
        check("", Err(""));
        check(&"list(".repeat(1_000), Err("list"));
    }
}
