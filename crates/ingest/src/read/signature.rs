//! What a file is by its first bytes, where that is not what its source says.

use std::fmt;
use std::io::BufRead;

use serde::de::IgnoredAny;

use super::problem::InputProblem;

/// How much of a file is looked at.
pub(super) const HEAD_BYTES: usize = 4_096;

/// What a file is instead, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mistaken {
    is: &'static str,
    remedy: &'static str,
}

impl fmt::Display for Mistaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.is, self.remedy)
    }
}

impl From<Mistaken> for InputProblem {
    fn from(mistaken: Mistaken) -> Self {
        format!("the file is {mistaken}").into()
    }
}

const fn mistaken(is: &'static str, remedy: &'static str) -> Mistaken {
    Mistaken { is, remedy }
}

/// The first bytes of a text of which nothing was read yet.
pub(super) fn head(text: &mut impl BufRead) -> Result<&[u8], InputProblem> {
    let head = text.fill_buf().map_err(|error| InputProblem::of_io(&error, None))?;
    Ok(head.get(..HEAD_BYTES).unwrap_or(head))
}

/// What is no UTF-8 text.
pub(super) fn binary(head: &[u8]) -> Option<Mistaken> {
    Some(match head {
        [0x1F, 0x8B, ..] => mistaken("compressed with gzip", "decompress it with `gunzip`"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => mistaken("compressed with zstd", "decompress it with `unzstd`"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => {
            mistaken("compressed with bzip2", "decompress it with `bunzip2`")
        }
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => mistaken("compressed with xz", "decompress it with `unxz`"),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => zip(head),
        [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, ..] => {
            mistaken("an old Office document, perhaps an Excel workbook", SAVE_AS_CSV)
        }
        // A column may be called PAR1; what follows in Parquet is the first field of a Thrift structure.
        [b'P', b'A', b'R', b'1', 0x15, ..] => mistaken("Parquet", "set `format: parquet`"),
        [b'O', b'b', b'j', 1, ..] => mistaken("Avro", "convert it to Parquet or NDJSON"),
        [b'%', b'P', b'D', b'F', b'-', ..] => {
            mistaken("a PDF document", "get the data as CSV, NDJSON or Parquet")
        }
        _ => return wide(head),
    })
}

const SAVE_AS_CSV: &str = "save the sheet as CSV in UTF-8";

/// A zip archive, which workbooks are too: the names of the first files in it tell.
fn zip(head: &[u8]) -> Mistaken {
    let contains = |part: &[u8]| head.windows(part.len()).any(|window| window == part);
    if contains(b"xl/") {
        mistaken("an Excel workbook", SAVE_AS_CSV)
    } else if contains(b"[Content_Types].xml") {
        mistaken("an Office document, perhaps an Excel workbook", SAVE_AS_CSV)
    } else if contains(b"opendocument.spreadsheet") {
        mistaken("an OpenDocument spreadsheet", SAVE_AS_CSV)
    } else {
        mistaken("a zip archive", "extract the files in it")
    }
}

/// How many bytes must agree that characters have more than one.
const WIDE_BYTES: usize = 64;

/// Text of two or four bytes a character.
fn wide(head: &[u8]) -> Option<Mistaken> {
    let utf_16 = mistaken("UTF-16", "convert it to UTF-8");
    let utf_32 = mistaken("UTF-32", "convert it to UTF-8");
    match head {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => return Some(utf_32),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => return Some(utf_16),
        _ => {}
    }
    // Without a mark: the upper bytes of most characters are zero, the lower ones never.
    let head = head.get(..WIDE_BYTES).unwrap_or(head);
    let (pairs, fours) = (head.as_chunks::<2>().0, head.as_chunks::<4>().0);
    let little = |&[low, _, c, d]: &[u8; 4]| low != 0 && (c, d) == (0, 0);
    let big = |&[a, b, _, low]: &[u8; 4]| low != 0 && (a, b) == (0, 0);
    if fours.len() > 1 && (fours.iter().all(little) || fours.iter().all(big)) {
        return Some(utf_32);
    }
    let zeros = |place: usize| pairs.iter().filter(|pair| pair[place] == 0).count();
    let (first, second) = (zeros(0), zeros(1));
    let is_half = |zeros: usize| pairs.len() > 1 && zeros * 2 >= pairs.len();
    ((first == 0 && is_half(second)) || (second == 0 && is_half(first))).then_some(utf_16)
}

/// A page or a message that was stored instead of the data.
pub(super) fn markup(head: &[u8]) -> Option<Mistaken> {
    let text = head.trim_ascii_start();
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    if begins(b"<!doctype html") || begins(b"<html") {
        Some(mistaken("an HTML page, perhaps a login page", "look at how it was downloaded"))
    } else if begins(b"<?xml") {
        Some(mistaken("XML, perhaps an error message of a storage", "look at how it was downloaded"))
    } else {
        None
    }
}

const JSON_ARRAY: Mistaken = mistaken("one JSON array", "write one object a line, as NDJSON has it");

/// JSON, where none is expected.
pub(super) fn json(head: &[u8]) -> Option<Mistaken> {
    match head.trim_ascii_start() {
        [b'{', rest @ ..] if matches!(rest.trim_ascii_start(), [b'"' | b'}', ..]) => {
            Some(mistaken("JSON", "set `format: ndjson`"))
        }
        [b'[', rest @ ..] if rest.trim_ascii_start().starts_with(b"{") => Some(JSON_ARRAY),
        _ => None,
    }
}

/// JSON that has not one object a line: nothing else can be made of an array that holds objects or arrays, or
/// of a first line that only the next ones complete.
pub(super) fn json_over_lines(head: &[u8]) -> Option<Mistaken> {
    let text = head.trim_ascii_start();
    match text {
        [b'[', rest @ ..] if matches!(rest.trim_ascii_start(), [] | [b'{' | b'[' | b']', ..]) => {
            Some(JSON_ARRAY)
        }
        [b'{', ..] if continues(text) => {
            Some(mistaken("JSON over many lines", "write one object a line, for example with `jq -c .`"))
        }
        _ => None,
    }
}

fn continues(text: &[u8]) -> bool {
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else { return false };
    let (line, rest) = (&text[..end], text[end..].trim_ascii());
    let next = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_row = next.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(next).is_ok();
    let is_cut = |result: serde_json::Result<IgnoredAny>| result.is_err_and(|error| error.is_eof());
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    !rest.is_empty()
        && !is_row
        && is_cut(serde_json::from_slice(line))
        && values.next().is_some_and(|first| first.is_ok() || is_cut(first))
}

/// Fields with a delimiter between them, where JSON is expected: lines none of which is JSON or begins so.
pub(super) fn delimited(head: &[u8]) -> Option<Mistaken> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|l| !l.is_empty());
    let is_record = |line: &[u8]| {
        line.iter().any(|byte| b",;\t|".contains(byte))
            && !matches!(line, [b'{' | b'[', ..])
            && serde_json::from_slice::<IgnoredAny>(line).is_err()
    };
    let is_text = head.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace());
    (is_text && lines.next().is_some_and(is_record) && lines.all(|line| !line.starts_with(b"{")))
        .then_some(mistaken("text with a delimiter", "set `format: csv` if it has a header line"))
}

/// Whatever is recognised, where Parquet is expected.
pub(super) fn not_parquet(head: &[u8]) -> Option<Mistaken> {
    let text = mistaken("text, perhaps CSV", "set `format: csv`");
    let is_text = |bytes: &[u8]| {
        let cut = |error: std::str::Utf8Error| error.error_len().is_none();
        std::str::from_utf8(bytes).map_or_else(cut, |_| true)
            && bytes.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
    };
    binary(head).or_else(|| markup(head)).or_else(|| json(head)).or_else(|| is_text(head).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], is: Option<&str>) {
        assert_eq!(binary(head).map(|mistaken| mistaken.is), is, "{}", head.escape_ascii());
    }

    #[test]
    fn what_is_no_text_is_known_by_its_first_bytes() {
        check(b"\x1f\x8b\x08\0", Some("compressed with gzip"));
        check(b"\x28\xb5\x2f\xfd\x24", Some("compressed with zstd"));
        check(b"BZh91AY&SY", Some("compressed with bzip2"));
        check(b"\xfd7zXZ\0\0", Some("compressed with xz"));
        check(b"PK\x03\x04\x14\0\0\0data.csv", Some("a zip archive"));
        check(b"PK\x03\x04\x14\0\x06\0[Content_Types].xml...xl/workbook.xml", Some("an Excel workbook"));
        check(
            b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
            Some("an OpenDocument spreadsheet"),
        );
        check(b"PAR1\x15\x04", Some("Parquet"));
        check(b"Obj\x01\x04\x14avro.codec", Some("Avro"));
        check(b"%PDF-1.7", Some("a PDF document"));
    }

    #[test]
    fn names_of_columns_are_not_taken_for_a_format() {
        for text in
            ["PAR1,PAR2\n1,2\n", "PK,name\n", "Object,b\n", "BZh1,b\n", "%PDF\n", "\u{FEFF}a,b\n", "", "a"]
        {
            check(text.as_bytes(), None);
        }
    }

    #[test]
    fn text_of_several_bytes_a_character_is_known_with_and_without_a_mark() {
        for text in ["a,b\n1,2\n", "größe,été\n1,2\n", "\u{FEFF}a,b\n"] {
            let utf_16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
            let utf_32 =
                |bytes: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| bytes(c.into())).collect::<Vec<u8>>();
            check(&utf_16(u16::to_le_bytes), Some("UTF-16"));
            check(&utf_16(u16::to_be_bytes), Some("UTF-16"));
            check(&utf_32(u32::to_le_bytes), Some("UTF-32"));
            check(&utf_32(u32::to_be_bytes), Some("UTF-32"));
        }
        check(b"id,note\n1,\0nul\0\n", None);
        check(&[0; 128], None);
    }

    #[test]
    fn a_page_is_known_in_any_spelling() {
        for text in ["<!DOCTYPE HTML>", "\n  <html lang=\"en\">", "<!doctype html>"] {
            assert!(markup(text.as_bytes()).is_some_and(|mistaken| mistaken.is.contains("HTML")), "{text}");
        }
        assert!(markup(b"<?xml version=\"1.0\"?>").is_some());
        assert_eq!(markup(b"<a,b\n"), None);
    }
}
