//! What every definition that has a name has in common: the edition of its format, and a name that is its
//! own.

use std::collections::BTreeMap;

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

/// Definitions of one kind by name, where a name may be defined once.
#[derive(Debug, Clone)]
pub struct Named<T> {
    kind: &'static str,
    definitions: BTreeMap<String, (SourceFile, T)>,
}

impl<T> Named<T> {
    /// No definition yet; `kind` is what messages call one, such as `metric`.
    #[must_use]
    pub fn new(kind: &'static str) -> Self {
        Self { kind, definitions: BTreeMap::new() }
    }

    /// Adds a definition, unless its name is taken, which is reported at `at`; says whether it was added.
    pub fn add(
        &mut self,
        name: &str,
        definition: T,
        file: &SourceFile,
        at: impl Into<Position>,
        problems: &mut Problems,
    ) -> bool {
        if let Some((other, _)) = self.definitions.get(name) {
            let message = format!("{} `{name}` is already defined in {}", self.kind, other.path());
            problems.report(file, at, message);
            return false;
        }
        self.definitions.insert(name.to_owned(), (file.clone(), definition));
        true
    }

    /// The definitions by name, each with its file.
    #[must_use]
    pub fn into_map(self) -> BTreeMap<String, (SourceFile, T)> {
        self.definitions
    }

    /// The definitions by name.
    pub fn into_definitions(self) -> impl Iterator<Item = (String, T)> {
        self.definitions.into_iter().map(|(name, (_, definition))| (name, definition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
