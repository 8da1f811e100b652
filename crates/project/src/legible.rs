//! Texts as people may safely see them: characters that a terminal obeys, or that make a text look like another, are written out.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character is not seen, or changes how others are seen: controls but for the end of a line and the tab, embeddings and overrides
/// of the direction of writing, separators of lines, and fillers that no script needs. What scripts need stays: joiners, spaces without
/// width, and the marks that texts from right to left have beside punctuation.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' => true,
        // The tags of flags are among these, and end with the last.
        '\u{e0000}'..='\u{e001f}' | '\u{e0100}'..='\u{e01ef}' => true,
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
        for text in
            ["Zoë 👩‍🚀\tکتاب‌ها\nb", "מכירות (B2B)\u{200f}", "🏴\u{e0067}\u{e0062}\u{e007f}", "山田　太郎"]
        {
            assert!(
                matches!(legible(text), Cow::Borrowed(_)),
                "letters, joiners, marks and lines stay: {text}"
            );
        }
        assert_eq!(legible("VIP\u{3164}"), "VIP\\u{3164}");
        assert_eq!(legible("a\u{1b}[31mb\u{7}"), "a\\u{1b}[31mb\\u{7}");
        assert_eq!(legible("\u{202e}evil\u{9b}\r"), "\\u{202e}evil\\u{9b}\\u{d}");
        for document in [r#"{"a":"\u001b x"}"#, "\"\u{9b}\u{202e}\u{e0001}\""] {
            let shown = legible_json(document);
            assert!(!shown.chars().any(is_hidden), "{shown}");
        }
        assert_eq!(legible_json("\"\u{9b}\u{e0001}\""), r#""\u009b\udb40\udc01""#);
    }
}
