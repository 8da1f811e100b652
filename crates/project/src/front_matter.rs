//! SQL definitions: a leading `/*--- ... ---*/` comment holds YAML, the rest is SQL.
//!
//! Neither part is cut out of the file. SQL is parsed from the whole text, where the front matter is a
//! comment, and YAML from a text in which everything else is blank: so every position that a parser reports
//! is a position of the file.

use serde::de::DeserializeOwned;

use crate::{Position, Problems, SourceFile, yaml};

const OPEN: &str = "/*---";
const CLOSE: &str = "---*/";

/// Reads the front matter of an SQL file. Problems are reported; `None` when no spec could be read at all.
pub fn read<T: DeserializeOwned>(file: &SourceFile, problems: &mut Problems) -> Option<T> {
    if let Some(problem) = file.unreadable_because() {
        problems.push(problem.clone());
        return None;
    }
    let text = file.text();
    let trimmed = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if !trimmed.starts_with(OPEN) {
        let help = "begin the file with /*--- and close the YAML with ---*/";
        problems.push(file.problem(Position::START, "this SQL file has no front matter").with_help(help));
        return None;
    }
    let start = text.len() - trimmed.len() + OPEN.len();
    let Some(length) = text.get(start..).and_then(|rest| rest.find(CLOSE)) else {
        problems.push(file.problem(Position::START, "the front matter is not closed; end it with ---*/"));
        return None;
    };
    let lines_before = text.get(..start).map_or(0, |head| head.matches('\n').count());
    let yaml = "\n".repeat(lines_before) + text.get(start..start + length).unwrap_or_default() + "\n";
    yaml::read_text(file, yaml, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Spec {
        segment: String,
    }

    #[test]
    fn positions_are_those_of_the_file() {
        let mut problems = Problems::default();
        let spec =
            read::<Spec>(&SourceFile::new("a.sql", "/*---\nsegment: vip\n---*/\nSELECT 1\n"), &mut problems);
        assert_eq!(spec.map(|s| s.segment).as_deref(), Some("vip"));
        assert!(problems.is_empty(), "{problems:?}");

        read::<Spec>(
            &SourceFile::new("b.sql", "\n/*---\nsegment: vip\nowner: crm\n---*/\nSELECT 1\n"),
            &mut problems,
        );
        let found = problems.into_sorted();
        assert_eq!((found[0].line, found[0].column), (4, 1), "{found:?}");
    }

    #[test]
    fn a_missing_or_open_front_matter_is_a_problem() {
        for text in ["SELECT 1", "/*---\nsegment: vip\nSELECT 1"] {
            let mut problems = Problems::default();
            assert!(read::<Spec>(&SourceFile::new("a.sql", text), &mut problems).is_none());
            assert_eq!(problems.len(), 1);
        }
    }
}
