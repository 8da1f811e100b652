//! Names that say nothing: a crate, folder, file or module is called after what it holds.

use super::{File, Problem};

const EMPTY_NAMES: [&str; 8] = ["core", "common", "utils", "util", "types", "helpers", "helper", "misc"];

/// The path of a Rust file and the modules declared in it.
pub(super) fn check(file: &File) -> Vec<Problem> {
    if !file.is_rust() {
        return vec![];
    }
    let in_path = file.path.trim_end_matches(".rs").split('/').map(|part| (1, part));
    let in_text =
        (1..).zip(file.text.lines()).filter_map(|(line, text)| Some((line, declared_module(text)?)));
    let empty = in_path.chain(in_text).filter(|(_, name)| EMPTY_NAMES.contains(name));
    empty
        .map(|(line, name)| Problem {
            line,
            message: format!("`{name}` says nothing: name it after what it holds"),
        })
        .collect()
}

/// `name` in `pub(crate) mod name;` and the like.
fn declared_module(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub(") {
        Some(restricted) => restricted.split_once(')')?.1.trim_start(),
        None => line.strip_prefix("pub ").unwrap_or(line),
    };
    let declared = line.strip_prefix("mod ")?;
    declared.split([';', '{', ' ']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &[(usize, &str)]) {
        let problems = super::check(&File { path, text });
        let found: Vec<_> = problems
            .iter()
            .map(|problem| (problem.line, problem.message.split('`').nth(1).unwrap_or("")))
            .collect();
        assert_eq!(found, expected, "{path}: {text}");
    }

    #[test]
    fn paths_of_rust_files() {
        check("crates/store/src/commit.rs", "", &[]);
        check("crates/core/src/lib.rs", "", &[(1, "core")]);
        check("crates/store/src/utils/misc.rs", "", &[(1, "utils"), (1, "misc")]);
        check("crates/schema/src/column_types.rs", "", &[]);
        check("docs/common/page.md", "", &[]);
    }

    #[test]
    fn declared_modules() {
        check("crates/store/src/lib.rs", "mod commit;\nmod util;\n", &[(2, "util")]);
        check(
            "crates/store/src/lib.rs",
            "pub(crate) mod helpers {\n    pub mod types;\n}",
            &[(1, "helpers"), (2, "types")],
        );
        check(
            "crates/store/src/lib.rs",
            "mod common_table;\nuse arrow::util;\nlet text = \"mod util;\";",
            &[],
        );
    }
}
