//! `limits:` of `tranche.yaml`: how large what people and raw files bring may be.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_yaml::Spanned;

use crate::memory_limit::MemoryLimit;
use crate::problems::Problems;
use crate::source_file::SourceFile;

/// `limits:` of `tranche.yaml`. What is larger is refused, with the name of the limit.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// Operators, joins and branches of a statement (default 10000). Entries of a list are none.
    #[serde(default)]
    #[schemars(with = "Option<u64>")]
    pub sql_terms: Option<Spanned<u64>>,
    /// Parentheses, CASEs and signs of a statement within each other (default 200).
    #[serde(default)]
    #[schemars(with = "Option<u64>")]
    pub sql_depth: Option<Spanned<u64>>,
    /// Size of a value (default 16 MiB).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub value_bytes: Option<Spanned<String>>,
    /// Entries of a list in a value (default 1000000).
    #[serde(default)]
    #[schemars(with = "Option<u64>")]
    pub value_entries: Option<Spanned<u64>>,
    /// Columns of a table, and of a raw file (default 4000).
    #[serde(default)]
    #[schemars(with = "Option<u64>")]
    pub columns: Option<Spanned<u64>>,
    /// Size of a raw row (default 16 MiB).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub row_bytes: Option<Spanned<String>>,
    /// Size of a raw file once it is unpacked (default 100 GiB).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub expanded_bytes: Option<Spanned<String>>,
    /// Rejected rows of a load that are kept in memory (default 256 MiB).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub rejects_in_memory: Option<Spanned<String>>,
    /// How long planning a statement may take (default 60).
    #[serde(default)]
    #[schemars(with = "Option<u64>")]
    pub check_seconds: Option<Spanned<u64>>,
}

/// How large what people and raw files bring may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Operators, joins and branches of a statement.
    pub sql_terms: u64,
    /// Parentheses, CASEs and signs of a statement within each other.
    pub sql_depth: u64,
    /// Bytes of a value.
    pub value_bytes: u64,
    /// Entries of a list in a value.
    pub value_entries: u64,
    /// Columns of a table, and of a raw file.
    pub columns: u64,
    /// Bytes of a raw row.
    pub row_bytes: u64,
    /// Bytes of a raw file once it is unpacked.
    pub expanded_bytes: u64,
    /// Bytes of rejected rows of a load that are kept in memory.
    pub rejects_in_memory: u64,
    /// How long planning a statement may take.
    pub check_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sql_terms: 10_000,
            sql_depth: 200,
            value_bytes: 16 << 20,
            value_entries: 1_000_000,
            columns: 4_000,
            row_bytes: 16 << 20,
            expanded_bytes: 100 << 30,
            rejects_in_memory: 256 << 20,
            check_seconds: 60,
        }
    }
}

impl LimitsSpec {
    pub(crate) fn validate(self, file: &SourceFile, problems: &mut Problems) -> Limits {
        let mut limits = Limits::default();
        for (given, limit) in [
            (self.sql_terms, &mut limits.sql_terms),
            (self.sql_depth, &mut limits.sql_depth),
            (self.value_entries, &mut limits.value_entries),
            (self.columns, &mut limits.columns),
            (self.check_seconds, &mut limits.check_seconds),
        ] {
            match given {
                Some(given) if given.value == 0 => {
                    problems.report(file, given.referenced, "a limit is at least 1");
                }
                Some(given) => *limit = given.value,
                None => {}
            }
        }
        for (given, limit) in [
            (self.value_bytes, &mut limits.value_bytes),
            (self.row_bytes, &mut limits.row_bytes),
            (self.expanded_bytes, &mut limits.expanded_bytes),
            (self.rejects_in_memory, &mut limits.rejects_in_memory),
        ] {
            let Some(given) = given else { continue };
            match MemoryLimit::parse(&given.value) {
                Some(MemoryLimit::Bytes(bytes)) => *limit = bytes,
                Some(MemoryLimit::Share(_)) | None => {
                    let message = format!("`{}` is not a size; write one like `16 MiB`", given.value);
                    problems.report(file, given.referenced, message);
                }
            }
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Project;

    #[test]
    fn limits_have_defaults_and_are_read_with_their_units() {
        let mut problems = Problems::default();
        let read = |text: &str, problems: &mut Problems| {
            Project::from_files([("tranche.yaml", format!("version: 1\n{text}"))]).settings(problems).limits
        };
        assert_eq!(read("", &mut problems), Limits::default());
        let some = read("limits: {sql_terms: 5, row_bytes: 1 GiB}\n", &mut problems);
        assert_eq!(some, Limits { sql_terms: 5, row_bytes: 1 << 30, ..Limits::default() });
        assert!(problems.is_empty(), "{problems:?}");
        read("limits: {columns: 0, value_bytes: lots}\n", &mut problems);
        let found = problems.into_sorted();
        assert_eq!(found.iter().map(|problem| problem.column).collect::<Vec<_>>(), [19, 35], "{found:?}");
    }
}
