//! Texts in less room than they would take: whole words, and `…` for those that are missing.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const MORE: &str = "…";

/// How wide a text stands on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The words of a text that fit; the beginning of a single word that does not.
pub(super) fn shorten(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let room = room.saturating_sub(1);
    let mut cut = 0;
    let mut used = 0;
    for (at, char) in text.char_indices() {
        used += char.width().unwrap_or(0);
        if used > room {
            break;
        }
        cut = at + char.len_utf8();
    }
    let (head, rest) = text.split_at(cut);
    let whole =
        if rest.starts_with(char::is_whitespace) { Some(cut) } else { head.rfind(char::is_whitespace) };
    let head = whole.and_then(|end| head.get(..end)).unwrap_or(head);
    format!("{}{MORE}", head.trim_end_matches([' ', ',', ';', ':']))
}

/// A text in lines no longer than `room`, broken between words; a longer word is shortened.
pub(super) fn wrap(text: &str, room: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(shorten(word, room)),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole() {
        for (text, room, expected) in [
            ("a mail brings them back", 23, "a mail brings them back"),
            ("a mail brings them back", 22, "a mail brings them…"),
            ("a mail brings them back", 13, "a mail…"),
            ("a mail, brings them", 8, "a mail…"),
            ("0199d2c4-aaaa-bbbb", 9, "0199d2c4…"),
            ("日本語の文", 6, "日本…"),
            ("", 0, ""),
        ] {
            assert_eq!(shorten(text, room), expected, "{text} in {room}");
        }
    }

    #[test]
    fn sentences_are_broken_between_words() {
        assert_eq!(wrap("a mail brings them back", 10), "a mail\nbrings\nthem back");
        assert_eq!(wrap("see https://example.org/a/long/path now", 10), "see\nhttps://e…\nnow");
    }
}
