//! Texts as people may safely see them: characters that a terminal obeys, or that make a text look like another, are written out.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character is not seen, or changes how others are seen: controls but for the end of a line and the tab, marks of the direction
/// of writing, separators of lines, and characters without width that no script needs.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

/// A text for people: what is hidden in it is written as `\u{1b}`.
#[must_use]
pub fn legible(text: &str) -> Cow<'_, str> {
    written_out(text, |shown, c| write!(shown, "\\u{{{:x}}}", u32::from(c)))
}

/// A JSON document, of which hidden characters are escaped: the same document for who reads it.
#[must_use]
pub fn legible_json(document: &str) -> Cow<'_, str> {
    written_out(document, |shown, c| {
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().try_for_each(|unit| write!(shown, "\\u{unit:04x}"))
    })
}

fn written_out(text: &str, write: impl Fn(&mut String, char) -> std::fmt::Result) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            // A string takes everything.
            let _ = write(&mut shown, c);
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_written_out() {
        assert!(matches!(legible("Zoë 👩‍🚀\tکتاب‌ها\nb"), Cow::Borrowed(_)), "letters, joiners and lines stay");
        assert_eq!(legible("a\u{1b}[31mb\u{7}"), "a\\u{1b}[31mb\\u{7}");
        assert_eq!(legible("\u{202e}evil\u{9b}\r"), "\\u{202e}evil\\u{9b}\\u{d}");
        for document in [r#"{"a":"\u001b x"}"#, "\"\u{9b}\u{202e}\u{e0041}\""] {
            let shown = legible_json(document);
            assert!(!shown.chars().any(is_hidden), "{shown}");
        }
        assert_eq!(legible_json("\"\u{9b}\u{e0041}\""), r#""\u009b\udb40\udc41""#);
    }
}
