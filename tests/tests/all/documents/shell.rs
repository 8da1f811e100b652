//! Command lines in documents: taken apart, held against the program's own parser, or run.

use std::path::{Path, PathBuf};
use std::process::Command;

use tranche_tests::{Ran, Sandbox, program, ran};

use super::markdown::Block;

/// The commands of a block of shell: lines without prompts, comments and continuations. In a `console` block those after `$ `.
pub(crate) fn command_lines(block: &Block) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut continues = false;
    for line in block.text.lines() {
        let line = match (continues, block.language == "console") {
            (false, true) => match line.strip_prefix("$ ") {
                Some(command) => command,
                None => continue,
            },
            _ => line,
        };
        let (text, goes_on) = line.strip_suffix('\\').map_or((line, false), |text| (text, true));
        match continues {
            true => lines.last_mut().unwrap_or_else(|| unreachable!("it continues a line")).push_str(text),
            false => lines.push(text.to_owned()),
        }
        continues = goes_on;
    }
    lines.retain(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    lines
}

/// The calls of `tranche` in a command line, each without the program's name.
pub(crate) fn calls(line: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for command in commands(line) {
        let is_assignment = |word: &&String| word.contains('=') && !word.starts_with('-');
        let mut words = command.iter().skip_while(is_assignment);
        if words.next().is_some_and(|word| word == "tranche" || word.ends_with("/tranche")) {
            calls.push(words.cloned().collect());
        }
    }
    calls
}

/// The words of each command of a line, which pipes, `&&`, `;` and redirections end.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(characters.next()),
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | '&' | ';' | '>' | '<') => {
                commands.last_mut().unwrap_or_else(|| unreachable!("one is there")).extend(word.take());
                commands.push(Vec::new());
            }
            (None, _) if c.is_whitespace() => {
                commands.last_mut().unwrap_or_else(|| unreachable!("one is there")).extend(word.take());
            }
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    commands.last_mut().unwrap_or_else(|| unreachable!("one is there")).extend(word);
    commands
}

/// A call as a table or a sentence shows it: `[--full]` and `--missing|--failed` are the flags, and so is what follows them.
pub(crate) fn shown_call(text: &str) -> Vec<String> {
    let flags_apart = text.replace("|--", " --").replace('|', "_or_").replace(['[', ']'], " ");
    commands(&flags_apart.replace("...", "")).swap_remove(0)
}

/// What the program has against a call. `--help` at its end keeps it from doing anything: words before it are parsed first.
pub(crate) fn refusal(call: &[String]) -> Option<String> {
    let mut command = Command::new(program());
    let output = command.args(call).arg("--help").output().unwrap_or_else(|e| panic!("cannot start it: {e}"));
    let ran = ran(output);
    (ran.code != 0).then(|| ran.stderr.lines().next().unwrap_or_default().to_owned())
}

/// A shell in a sandbox, which remembers the folder that it is in.
#[derive(Debug)]
pub(crate) struct Shell<'a> {
    sandbox: &'a Sandbox,
    folder: PathBuf,
}

impl<'a> Shell<'a> {
    /// A shell in the sandbox's folder.
    pub(crate) fn new(sandbox: &'a Sandbox) -> Self {
        Self { sandbox, folder: PathBuf::new() }
    }

    /// Writes a file, relative to the folder that it is in.
    pub(crate) fn write(&self, path: &str, text: &str) {
        self.sandbox.write(&self.folder.join(path).to_string_lossy(), text);
    }

    /// Runs a command line by bash, with `tranche` on its path.
    pub(crate) fn run(&mut self, line: &str) -> Ran {
        if let Some(folder) = line.strip_prefix("cd ") {
            self.folder.push(folder.trim());
            assert!(self.sandbox.path().join(&self.folder).is_dir(), "{line}: no such folder");
            return Ran { code: 0, stdout: String::new(), stderr: String::new() };
        }
        let program = program();
        let folder = program.parent().unwrap_or(Path::new("."));
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", line]).current_dir(self.sandbox.path().join(&self.folder));
        command.env("PATH", format!("{}:{path}", folder.display()));
        // As wide as they are, whatever terminal the tests are run from.
        command.env_remove("COLUMNS");
        ran(command.output().unwrap_or_else(|e| panic!("cannot start bash: {e}")))
    }
}

/// Whether a text is what a document shows of it: blanks count as one, `...` stands for anything in its line, and a line of `...` alone
/// for any lines.
pub(crate) fn is_shown(text: &str, shown: &str) -> bool {
    let lines =
        |text: &str| -> Vec<String> { text.lines().map(plain).filter(|line| !line.is_empty()).collect() };
    are_shown(&lines(text), &lines(shown))
}

fn are_shown(text: &[String], shown: &[String]) -> bool {
    match shown {
        [] => text.is_empty(),
        [gap, rest @ ..] if gap == "..." => (0..=text.len()).any(|from| are_shown(&text[from..], rest)),
        [line, rest @ ..] => {
            text.first().is_some_and(|first| has_parts(first, line)) && are_shown(&text[1..], rest)
        }
    }
}

/// A line with single blanks, without the rules of tables.
fn plain(line: &str) -> String {
    let is_rule = |c: char| {
        matches!(
            c,
            '─' | '━'
                | '│'
                | '┃'
                | '┆'
                | '╌'
                | '┌'
                | '┐'
                | '└'
                | '┘'
                | '├'
                | '┤'
                | '┬'
                | '┴'
                | '┼'
                | '╞'
                | '╡'
                | '═'
                | '╪'
        )
    };
    let bare: String = line.chars().map(|c| if is_rule(c) { ' ' } else { c }).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the parts of `pattern` between `...` stand in the text in this order, from its beginning to its end.
pub(crate) fn has_parts(text: &str, pattern: &str) -> bool {
    let Some((head, tail)) = pattern.split_once("...") else { return text == pattern };
    let Some(rest) = text.strip_prefix(head) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| has_parts(&rest[at..], tail))
}

#[test]
fn a_line_is_taken_apart_as_a_shell_does() {
    let found = calls(
        "A=1 tranche sql 'SELECT 1 | 2' --format csv | head && ./target/debug/tranche check > out # tranche no",
    );
    let expected = [vec!["sql", "SELECT 1 | 2", "--format", "csv"], vec!["check"]];
    assert_eq!(found, expected);
    assert_eq!(
        shown_call("backfill P --from T [--missing|--all]"),
        ["backfill", "P", "--from", "T", "--missing", "--all"]
    );
}

#[test]
fn dots_stand_for_what_varies() {
    assert!(is_shown("┌───┐\n│ a   b │\nrun 17 done in 2 s\n", "a b\nrun ... done in ... s"));
    assert!(is_shown("one\ntwo\nthree\n", "one\n..."));
    assert!(!is_shown("one\ntwo\n", "one\nthree"));
    assert!(!is_shown("one\ntwo\n", "one"));
}
