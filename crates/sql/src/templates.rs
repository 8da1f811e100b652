//! Patterns of dates and times as PostgreSQL writes them (`YYYY-MM-DD HH24:MI`), as the engine takes them (`%Y-%m-%d %H:%M`).

/// Each word of a pattern, what stands for it, and what does so after FM, which leaves out zeros in front. Longer words first.
const WORDS: [(&str, &str, &str); 23] = [
    ("Month", "%B", "%B"),
    ("IYYY", "%G", "%G"),
    ("YYYY", "%Y", "%Y"),
    ("HH24", "%H", "%-H"),
    ("HH12", "%I", "%-I"),
    ("Mon", "%b", "%b"),
    ("Day", "%A", "%A"),
    ("DDD", "%j", "%-j"),
    ("YY", "%y", "%-y"),
    ("MM", "%m", "%-m"),
    ("DD", "%d", "%-d"),
    ("Dy", "%a", "%a"),
    ("HH", "%I", "%-I"),
    ("MI", "%M", "%-M"),
    ("SS", "%S", "%-S"),
    ("MS", "%3f", "%3f"),
    ("US", "%6f", "%6f"),
    ("IW", "%V", "%-V"),
    ("ID", "%u", "%u"),
    ("AM", "%p", "%p"),
    ("PM", "%p", "%p"),
    ("TZ", "%Z", "%Z"),
    ("OF", "%:z", "%:z"),
];

/// Words that are written as they are shown: in capitals they mean something else.
const AS_SHOWN: [&str; 4] = ["Month", "Mon", "Day", "Dy"];

/// The words, for messages.
pub(crate) fn words() -> String {
    WORDS.map(|(word, ..)| word).join(", ")
}

/// The engine's pattern for one of PostgreSQL's; the letters that are no word of one, if there are such.
pub(crate) fn engine_pattern(template: &str) -> Result<String, &str> {
    let mut pattern = String::new();
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
            pattern.push_str(&text.replace('%', "%%"));
            rest = behind;
            continue;
        }
        if !first.is_ascii_alphabetic() {
            pattern.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (fill, written) = match rest.get(..2) {
            Some(prefix) if prefix.eq_ignore_ascii_case("FM") => (false, &rest[2..]),
            _ => (true, rest),
        };
        let found = WORDS.iter().find(|(word, ..)| {
            written.get(..word.len()).is_some_and(|start| match AS_SHOWN.contains(word) {
                true => start == *word,
                false => start.eq_ignore_ascii_case(word),
            })
        });
        let Some((word, filled, plain)) = found else {
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
            return Err(&rest[..end]);
        };
        pattern.push_str(if fill { filled } else { plain });
        rest = &written[word.len()..];
    }
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_those_of_the_engine() {
        for (template, expected) in [
            ("YYYY-MM-DD HH24:MI:SS.MS", Ok("%Y-%m-%d %H:%M:%S.%3f")),
            ("yyyymmdd", Ok("%Y%m%d")),
            ("FMDD.FMMM.YYYY", Ok("%-d.%-m.%Y")),
            ("Dy, DD Mon YYYY HH12:MI AM", Ok("%a, %d %b %Y %I:%M %p")),
            ("IYYY-\"W\"IW", Ok("%G-W%V")),
            ("DDD, FMMonth", Ok("%j, %B")),
            ("YYYY-Q", Err("Q")),
            ("MONTH", Err("MONTH")),
            ("YYYYth", Err("th")),
        ] {
            assert_eq!(engine_pattern(template), expected.map(str::to_owned), "{template}");
        }
    }
}
