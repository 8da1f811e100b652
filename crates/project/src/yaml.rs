//! YAML definitions: from text to an as-written spec, with every unknown key reported, not only the first.

use serde::de::DeserializeOwned;
use serde_yaml::Error;

use crate::source_file::lines;
use crate::{Position, Problems, SourceFile};

/// Reads a file as YAML. Problems are reported; `None` when no spec could be read at all.
pub fn read<T: DeserializeOwned>(file: &SourceFile, problems: &mut Problems) -> Option<T> {
    read_text(file, file.text().to_owned(), problems)
}

/// Reads `text`, whose lines and columns are those of `file`.
pub(crate) fn read_text<T: DeserializeOwned>(
    file: &SourceFile,
    mut text: String,
    problems: &mut Problems,
) -> Option<T> {
    if let Some(problem) = file.unreadable_because() {
        problems.push(problem.clone());
        return None;
    }
    loop {
        let error = match serde_yaml::from_str::<T>(&text) {
            Ok(spec) => return Some(spec),
            Err(error) => error,
        };
        let at = match error.location().map_or(Position::START, Position::from) {
            // What the whole definition lacks is missing from its beginning on.
            at if at.column == 1 && is_missing_key(&error) => first_line(&text),
            at => at,
        };
        problems.push(file.problem(at, message(&error)));
        // An unknown key hides the problems behind it: leave it out and continue.
        match unknown_key(&error).and_then(|()| without_entry(&text, at)) {
            Some(shorter) if shorter != text => text = shorter,
            _ => return None,
        }
    }
}

fn is_missing_key(error: &Error) -> bool {
    matches!(error.without_snippet(), Error::SerdeMissingField { .. })
}

fn first_line(text: &str) -> Position {
    let line = lines(text)
        .position(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .unwrap_or(0);
    Position { line: line as u64 + 1, column: 1 }
}

fn unknown_key(error: &Error) -> Option<()> {
    matches!(error.without_snippet(), Error::SerdeUnknownField { .. }).then_some(())
}

fn message(error: &Error) -> String {
    match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => unknown_key_message(field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("`{variant}` is not known here; write one of {}", expected.join(", "))
        }
        Error::DuplicateMappingKey { key, .. } => match key {
            Some(key) => format!("key `{key}` stands here twice"),
            None => "a key stands here twice".to_owned(),
        },
        Error::NullIntoString { .. } => {
            "a text is needed here, and YAML reads this as nothing; put it in quotes, or write a text"
                .to_owned()
        }
        other => {
            let shown = other.to_string();
            let first = shown.lines().next().unwrap_or_default();
            let end = first.rfind(" at line ").unwrap_or(first.len());
            let text = first
                .get(..end)
                .unwrap_or(first)
                .trim_start_matches("error: ")
                .trim_end_matches(['.', ',', ' ']);
            text.replace("mapping start", "a mapping such as {key: value}")
                .replace("sequence start", "a list such as [a, b]")
        }
    }
}

/// The message for a key that is none of those known, with the one that was probably meant.
pub(crate) fn unknown_key_message(key: &str, known: &[&str]) -> String {
    let near = known.iter().find(|known| is_near(known, key));
    let hint = near.map_or_else(
        || format!("known keys are {}", known.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    format!("unknown key `{key}`; {hint}")
}

/// Whether two names differ by one letter added, dropped, changed or swapped with its neighbour.
#[must_use]
pub fn is_near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let prefix = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (rest_a, rest_b) = (&a[prefix..], &b[prefix..]);
    let suffix = rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (middle_a, middle_b) = (&rest_a[..rest_a.len() - suffix], &rest_b[..rest_b.len() - suffix]);
    let swapped = middle_a.len() == 2
        && middle_b.len() == 2
        && middle_a[0] == middle_b[1]
        && middle_a[1] == middle_b[0];
    (middle_a.len() <= 1 && middle_b.len() <= 1) || swapped
}

/// The text with a block mapping's entry at `at` blanked, so that every other position stays; `None` in a
/// flow mapping.
fn without_entry(text: &str, at: Position) -> Option<String> {
    let indent = usize::try_from(at.column - 1).ok()?;
    let first = usize::try_from(at.line - 1).ok()?;
    let mut lines: Vec<String> = lines(text).map(str::to_owned).collect();
    let head: String = lines.get(first)?.chars().take(indent).collect();
    if !head.chars().all(|c| c == ' ' || c == '-') {
        return None;
    }
    lines[first] = head;
    for line in lines.iter_mut().skip(first + 1) {
        let own = line.chars().take_while(|c| *c == ' ').count();
        if own <= indent && !line.trim().is_empty() {
            break;
        }
        line.clear();
    }
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spanned;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Spec {
        #[expect(dead_code, reason = "only its type is tested")]
        version: u32,
        #[expect(dead_code, reason = "only its type is tested")]
        table: Spanned<String>,
    }

    fn check(text: &str, readable: bool, expected: &[(u64, u64, &str)]) {
        let mut problems = Problems::default();
        let spec = read::<Spec>(&SourceFile::new("a.yaml", text), &mut problems);
        assert_eq!(spec.is_some(), readable);
        let found = problems.into_sorted();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (problem, (line, column, part)) in found.iter().zip(expected) {
            assert_eq!((problem.line, problem.column), (*line, *column), "{problem}");
            assert!(problem.message.contains(part), "{problem}");
        }
    }

    #[test]
    fn every_unknown_key_is_reported() {
        check("version: 1\ntable: a\n", true, &[]);
        check(
            "version: 1\ntabel: a\nmore:\n  deep: 1\ntable: b\nlast: 2\n",
            true,
            &[(2, 1, "did you mean `table`?"), (3, 1, "unknown key `more`"), (6, 1, "unknown key `last`")],
        );
    }

    #[test]
    fn a_carriage_return_ends_a_line_and_nothing_is_read_for_ever() {
        check(
            "version: 1\rtabel: a\rtable: b\r\nlast: 2\n",
            true,
            &[(2, 1, "did you mean `table`?"), (4, 1, "unknown key `last`")],
        );
        check("# one\rmore\nversion: 1\ntable: b\nlast: 2", false, &[(2, 1, "")]);
    }

    #[test]
    fn a_wrong_type_is_reported_where_it_is() {
        check("version: one\ntable: a\n", false, &[(1, 10, "")]);
        check("version: 1\ntable: [a\n", false, &[(2, 8, "")]);
    }
}
