//! What no definition may have in its text, whatever it defines.

use crate::legible::is_hidden;
use crate::secrets::{Found, found, is_credential};
use crate::{Position, Problems, SourceFile};

/// Reports characters that nobody sees, and secrets that stand in the open.
pub(crate) fn check(file: &SourceFile, problems: &mut Problems) {
    check_hidden(file, problems);
    check_secrets(file, problems);
}

/// Reports the first hidden character of a definition: who reviews it would see another text than the program.
fn check_hidden(file: &SourceFile, problems: &mut Problems) {
    for (line, text) in (1..).zip(file.text().trim_start_matches('\u{feff}').split('\n')) {
        let text = text.strip_suffix('\r').unwrap_or(text);
        // A lone carriage return ends a line as well.
        let hidden = text.chars().enumerate().find(|(_, c)| is_hidden(*c) && *c != '\r');
        if let Some((column, c)) = hidden {
            let message =
                format!("here is the character U+{:04X}, which is not seen; remove it", u32::from(c));
            return problems.report(file, Position { line, column: column as u64 + 1 }, message);
        }
    }
}

/// Reports the secrets of a definition.
fn check_secrets(file: &SourceFile, problems: &mut Problems) {
    let help = match file.path() {
        "tranche.yaml" => "write `${NAME}` here, and set that variable in the environment",
        _ => "leave it out: definitions are read by many, and stored with each run",
    };
    for (number, line) in (1..).zip(file.text().split('\n')) {
        for Found { bytes, what } in found(line) {
            let column = line[..bytes.start].chars().count() as u64 + 1;
            let at = Position { line: number, column };
            problems.push(file.problem(at, format!("{what} stands here in the open")).with_help(help));
        }
    }
}

/// Reports options of storage that are credentials, which the environment has.
pub(crate) fn check_options<'a>(
    keys: impl Iterator<Item = &'a String>,
    file: &SourceFile,
    problems: &mut Problems,
) {
    for key in keys.filter(|key| is_credential(key)) {
        let lines = (1..).zip(file.text().split('\n'));
        let mut found =
            lines.filter_map(|(line, text)| Some((line, text[..text.find(key.as_str())?].chars().count())));
        let at = found
            .next()
            .map_or(Position::START, |(line, column)| Position { line, column: column as u64 + 1 });
        let help = format!("leave it out, and set {} in the environment", key.to_uppercase());
        problems.push(
            file.problem(at, format!("`{key}` is a credential, and stands here in the open")).with_help(help),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_has_nothing_hidden() {
        let check = |text: &str| {
            let mut problems = Problems::default();
            super::check(&SourceFile::new("a.yaml", text), &mut problems);
            problems.into_sorted().into_iter().map(|p| (p.line, p.column)).collect::<Vec<_>>()
        };
        assert_eq!(check("\u{feff}version: 1\r\na: b\tc\n# é 👩‍🚀\n"), []);
        assert_eq!(check("version: 1\na: b\u{202e}c\u{202c}\n"), [(2, 5)]);
        assert_eq!(check("a: \u{1b}[2J"), [(1, 4)]);
    }
}
