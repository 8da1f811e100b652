//! `tidy`: what rustfmt and clippy do not look at.
//!
//! A file is judged by its path and text alone, by each of [`RULES`]; which files there are, git says.

mod folders;
mod functions;
mod names;
mod words;

use std::fs;

use crate::Outcome;
use crate::process::{output, program, root};

const MAX_LINES: usize = 500;
const SOURCE_EXTENSIONS: [&str; 6] = ["rs", "py", "js", "css", "sh", "sql"];
const SOURCE_FOLDERS: [&str; 4] = ["crates/", "fuzz/", "tests/", "xtask/"];

/// A problem in one file, at a line counted from 1.
#[derive(Debug, PartialEq)]
struct Problem {
    line: usize,
    message: String,
}

struct File<'a> {
    /// Relative to the root of the repository, with `/`.
    path: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs") && SOURCE_FOLDERS.iter().any(|folder| self.path.starts_with(folder))
    }

    fn is_source(&self) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| SOURCE_EXTENSIONS.contains(&extension))
    }
}

const RULES: [fn(&File) -> Vec<Problem>; 6] =
    [head, length, folders::check, functions::check, names::check, words::check];

/// Fails if any file that git tracks, or would track, breaks a rule.
pub(crate) fn check() -> Outcome {
    let list =
        output(&mut program("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let mut problems = Vec::new();
    let mut files = 0;
    for path in list.split_terminator('\0') {
        // Deleted files are listed until that is committed, and only text is judged.
        let Ok(text) = fs::read_to_string(root().join(path)) else { continue };
        let file = File { path, text: &text };
        files += 1;
        let found = RULES.iter().flat_map(|rule| rule(&file));
        problems.extend(found.map(|problem| format!("{path}:{}: {}", problem.line, problem.message)));
    }
    if problems.is_empty() {
        println!("{files} files, all tidy");
        return Ok(());
    }
    println!("{}", problems.join("\n"));
    Err(format!("{} untidy places", problems.len()))
}

/// Whether the compiler sees a file for tests alone, by the names that this project gives such files.
fn is_a_test_file(path: &str) -> bool {
    let folders = ["/tests/", "/property/", "/fixture"];
    folders.iter().any(|folder| path.contains(folder)) || path.ends_with("tests.rs")
}

fn head(file: &File) -> Vec<Problem> {
    if !file.is_rust() || opens_with_docs(file.text) {
        return vec![];
    }
    vec![Problem { line: 1, message: "open the file with `//!`: what it is for".to_owned() }]
}

/// Whether `//!` comes first, or right after attributes of the file.
fn opens_with_docs(text: &str) -> bool {
    let mut rest = text.trim_start();
    while rest.starts_with("#![") {
        rest = rest.split_once(']').map_or("", |(_, after)| after).trim_start();
    }
    rest.starts_with("//!")
}

fn length(file: &File) -> Vec<Problem> {
    let lines = file.text.lines().count();
    if !file.is_source() || lines <= MAX_LINES {
        return vec![];
    }
    vec![Problem { line: MAX_LINES + 1, message: format!("{lines} lines, over {MAX_LINES}: split the file") }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rule: fn(&File) -> Vec<Problem>, path: &str, text: &str) -> Vec<usize> {
        rule(&File { path, text }).into_iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn rust_files_open_with_their_purpose() {
        let check =
            |path, text, expected: &[usize]| assert_eq!(lines(head, path, text), expected, "{path}: {text}");
        check("crates/sql/src/lib.rs", "//! Queries.\n", &[]);
        check(
            "crates/sql/src/lib.rs",
            "#![allow(\n  missing_docs\n)]\n#![doc = \"\"]\n\n//! Queries.\n",
            &[],
        );
        check("crates/sql/src/lib.rs", "use std::fs;\n//! Queries.\n", &[1]);
        check("xtask/src/main.rs", "// Chores.\n", &[1]);
        check("tests/src/lib.rs", "", &[1]);
        check("bench/scan.rs", "fn main() {}\n", &[]);
        check("crates/sql/README.md", "# Queries\n", &[]);
    }

    #[test]
    fn a_source_file_has_at_most_500_lines() {
        let check =
            |path, count, expected: &[usize]| assert_eq!(lines(length, path, &"x\n".repeat(count)), expected);
        check("crates/sql/src/lib.rs", MAX_LINES, &[]);
        check("crates/sql/src/lib.rs", MAX_LINES + 1, &[MAX_LINES + 1]);
        check("bench/segments.py", MAX_LINES + 1, &[MAX_LINES + 1]);
        check("Cargo.lock", MAX_LINES + 1, &[]);
    }
}
