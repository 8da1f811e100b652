//! What every definition that has a name has in common: the edition of its format, and a name that is its
//! own.

use serde_yaml::Spanned;

use crate::problems::Problems;
use crate::source_file::{Position, SourceFile};

/// Reports an edition of the format that is not known.
pub fn check_version(version: &Spanned<u32>, file: &SourceFile, problems: &mut Problems) {
    if version.value != 1 {
        let message = format!("version {} is not known; write `version: 1`", version.value);
        problems.report(file, version.referenced, message);
    }
}

/// The most characters of a name: folders and files of the lake are called by names, and no disk has longer ones than 255 bytes.
pub(crate) const MOST_NAME_CHARACTERS: usize = 128;

/// Reports a name that is not made of letters, digits, `_` and `-`, or is too long: names are parts of paths in the lake, and of commands.
pub fn check_name(
    kind: &str,
    name: &str,
    file: &SourceFile,
    at: impl Into<Position>,
    problems: &mut Problems,
) {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(fits) {
        let message = format!("{kind} name `{name}` must be letters, digits, `_` and `-`");
        problems.report(file, at, message);
    } else if name.len() > MOST_NAME_CHARACTERS {
        problems.report(file, at, too_long(kind, name));
    }
}

fn too_long(kind: &str, name: &str) -> String {
    format!(
        "this {kind} name has {} characters, and names have at most {MOST_NAME_CHARACTERS}; shorten it",
        name.len()
    )
}

/// The message for a name that a definition of the same kind in `other` has already.
#[must_use]
pub fn already_defined(kind: &str, name: &str, other: &SourceFile) -> String {
    format!("{kind} `{name}` is already defined in {}", other.path())
}

/// Definitions of one kind, in the order in which they were read. A name may be defined once.
#[derive(Debug, Clone)]
pub struct Named<T> {
    kind: &'static str,
    definitions: Vec<NamedDefinition<T>>,
}

/// A definition, its name and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedDefinition<T> {
    /// Its name, unique among those of its kind.
    pub name: String,
    /// The file that defines it.
    pub file: SourceFile,
    /// What the file defines.
    pub definition: T,
}

impl<T> Named<T> {
    /// No definition yet; `kind` is what messages call one, such as `metric`.
    #[must_use]
    pub fn new(kind: &'static str) -> Self {
        Self { kind, definitions: Vec::new() }
    }

    /// Adds a definition, unless its name is taken, which is reported at `at`; says whether it was added. A name that cannot be one is
    /// reported too.
    pub fn add(
        &mut self,
        name: &str,
        definition: T,
        file: &SourceFile,
        at: impl Into<Position>,
        problems: &mut Problems,
    ) -> bool {
        let at = at.into();
        check_name(self.kind, name, file, at, problems);
        if let Some(other) = self.definitions.iter().find(|other| other.name == name) {
            problems.report(file, at, already_defined(self.kind, name, &other.file));
            return false;
        }
        self.definitions.push(NamedDefinition { name: name.to_owned(), file: file.clone(), definition });
        true
    }

    /// The definitions by name.
    pub fn into_definitions(self) -> impl Iterator<Item = (String, T)> {
        self.definitions.into_iter().map(|named| (named.name, named.definition))
    }
}

impl<T> IntoIterator for Named<T> {
    type Item = NamedDefinition<T>;
    type IntoIter = std::vec::IntoIter<NamedDefinition<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.definitions.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        let (longest, longer) = ("a".repeat(128), "a".repeat(129));
        for (name, fits) in [
            ("weekly", true),
            (&*longest, true),
            (&*longer, false),
            ("Weekly_2-b", true),
            ("2", true),
            ("", false),
            ("..", false),
            ("../../etc", false),
            ("a/b", false),
            ("a\\b", false),
            ("a b", false),
            ("ü", false),
            ("a.b", false),
            ("a\0", false),
        ] {
            let (file, mut problems) = (SourceFile::new("a.yaml", "report: r\n"), Problems::default());
            Named::new("report").add(name, 1, &file, Position::START, &mut problems);
            assert_eq!(problems.is_empty(), fits, "{name:?}");
        }
    }

    #[test]
    fn a_name_is_defined_once() {
        let (first, second) =
            (SourceFile::new("a.yaml", "metric: m\n"), SourceFile::new("b.yaml", "metric: m\n"));
        let (mut named, mut problems) = (Named::new("metric"), Problems::default());
        assert!(named.add("m", 1, &first, Position::START, &mut problems));
        assert!(!named.add("m", 2, &second, Position { line: 1, column: 9 }, &mut problems));
        assert!(named.add("n", 3, &second, Position::START, &mut problems));
        let found = problems.into_sorted();
        assert_eq!((found.len(), found[0].message.as_str()), (1, "metric `m` is already defined in a.yaml"));
        assert_eq!((found[0].file.as_str(), found[0].column), ("b.yaml", 9));
        let definitions: Vec<_> = named.into_definitions().collect();
        assert_eq!(definitions, [("m".to_owned(), 1), ("n".to_owned(), 3)]);
    }
}
