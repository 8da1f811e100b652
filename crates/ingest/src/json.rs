//! JSON as it is written: no number goes through a binary one.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The keys of an object with their values as written: in the order of the line, repeated ones included.
pub(crate) struct Fields<'a>(pub(crate) Vec<(Text<'a>, &'a RawValue)>);

/// A JSON string.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

/// A string as it is meant, any other value as it is written: no number goes through a binary one.
pub(crate) fn text_of(json: &RawValue) -> serde_json::Result<Option<Cow<'_, str>>> {
    let written = json.get();
    Ok(match written.as_bytes() {
        b"null" => None,
        [b'"', ..] => Some(serde_json::from_str::<Text<'_>>(written)?.0),
        [b'{' | b'[', ..] => Some(compact(written)),
        _ => Some(written.into()),
    })
}

/// JSON without the blanks that mean nothing.
fn compact(json: &str) -> Cow<'_, str> {
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    if !json.contains(is_blank) {
        return json.into();
    }
    let (mut is_text, mut is_escaped) = (false, false);
    let mut compact = json.to_owned();
    compact.retain(|c| {
        let is_kept = is_text || !is_blank(c);
        is_text ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_kept
    });
    compact.into()
}
