//! What documents say is so: commands and definitions in them are run or held against the program, links lead somewhere.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod code_map;
mod markdown;
mod runbook;
mod shell;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use markdown::{Block, Document, documents};
pub(crate) use runbook::assert_in_runbook;
use shell::{Shell, calls, command_lines, is_shown, refusal, shown_call};
use tranche_tests::{Sandbox, root};

/// The guide whose blocks are run in order, in an empty folder.
const GUIDE: &str = "docs/getting-started.md";

/// That a list of problems is empty.
fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_guide_does_what_it_says() {
    let sandbox = Sandbox::new();
    let mut shell = Shell::new(&sandbox);
    let mut commands = 0;
    for block in Document::read(GUIDE).blocks() {
        let place = format!("{GUIDE}:{}", block.line);
        if let Some(file) = block.attribute("title") {
            shell.write(file, &block.text);
        } else if block.language == "console" {
            commands += assert_session(&mut shell, &block, &place);
        } else if block.language == "sh" && !block.has("setup") {
            for line in command_lines(&block) {
                let ran = shell.run(&line);
                assert_eq!(ran.code, 0, "{place}: {line}\n{}\n{}", ran.stdout, ran.stderr);
                commands += 1;
            }
        }
    }
    assert!(commands > 10, "the guide has {commands} commands");
}

/// Runs the commands of a block, and compares what each prints with what follows it there. How many there are.
fn assert_session(shell: &mut Shell, block: &Block, place: &str) -> usize {
    let code = block.attribute("exit").map_or(0, |code| code.parse().unwrap());
    let sessions: Vec<(&str, &str)> = format_sessions(&block.text);
    for (line, shown) in &sessions {
        let ran = shell.run(line);
        let printed = if code == 0 { ran.stdout.clone() } else { format!("{}{}", ran.stdout, ran.stderr) };
        assert_eq!(ran.code, code, "{place}: {line}\n{}\n{}", ran.stdout, ran.stderr);
        assert!(is_shown(&printed, shown), "{place}: {line}\nprints\n{printed}\nthe guide shows\n{shown}");
    }
    sessions.len()
}

/// Each command line after `$ `, and the output below it.
fn format_sessions(text: &str) -> Vec<(&str, &str)> {
    let text = text.strip_prefix("$ ").unwrap_or_else(|| panic!("a session begins with `$ `: {text}"));
    text.split("\n$ ").map(|session| session.split_once('\n').unwrap_or((session, ""))).collect()
}

#[test]
fn commands_for_the_demo_run_in_it() {
    let sandbox = Sandbox::new();
    for path in ["tranche.yaml", "schemas", "pipelines"] {
        copy(&root().join(path), &sandbox.path().join(path));
    }
    let _ = sandbox.run(&["init", ".", "--data-only", "--customers", "400"]).expect_code(0);
    for as_of in ["2026-10-01", "2026-11-01"] {
        let _ = sandbox.run(&["--lake", "data/lake", "run", "shop", "--as-of", as_of]).expect_code(0);
    }
    let mut commands = 0;
    for document in documents() {
        for block in document.blocks().iter().filter(|block| block.is_shell() && block.has("demo")) {
            for line in command_lines(block) {
                let ran = Shell::new(&sandbox).run(&line);
                let place = format!("{}:{}", document.path, block.line);
                assert_eq!(ran.code, 0, "{place}: {line}\n{}\n{}", ran.stdout, ran.stderr);
                commands += 1;
            }
        }
    }
    assert!(commands > 3, "{commands} commands for the demo");
}

#[test]
fn the_program_knows_every_call_in_documents() {
    let mut problems = Vec::new();
    for document in documents() {
        let mut check = |line: usize, call: &[String]| {
            let problem = refusal(call)
                .map(|why| format!("{}:{line}: tranche {}: {why}", document.path, call.join(" ")));
            problems.extend(problem);
        };
        for block in document.blocks().iter().filter(|block| block.is_shell()) {
            for line in command_lines(block) {
                calls(&line).iter().for_each(|call| check(block.line, call));
            }
        }
        for (line, span) in document.code_spans() {
            if let Some(call) = span.strip_prefix("tranche ") {
                check(line, &shown_call(call));
            }
        }
        for (line, cell) in document.first_cells("command") {
            cell.replace("\\|", "|")
                .split('`')
                .skip(1)
                .step_by(2)
                .for_each(|call| check(line, &shown_call(call)));
        }
    }
    assert_none(&problems);
}

#[test]
fn the_readme_lists_every_command() {
    let readme = Document::read("README.md");
    let cells = readme.first_cells("command");
    let listed: BTreeSet<String> =
        cells.iter().flat_map(|(_, cell)| cell.split('`').skip(1).step_by(2)).map(name).collect();
    let mut missing: Vec<String> = Vec::new();
    for command in subcommands(&[]) {
        let below = subcommands(&[&command]);
        let full: Vec<String> = below.iter().map(|name| format!("{command} {name}")).collect();
        // What has subcommands may do something by itself, too: that is listed by its own name.
        let names = if full.is_empty() { vec![command] } else { full };
        let is_listed =
            |name: &String| listed.iter().any(|call| call == name || call.starts_with(&format!("{name} ")));
        missing.extend(names.into_iter().filter(|name| !is_listed(name)));
    }
    assert!(!listed.is_empty());
    assert_none(&missing);
}

/// The words of a call before its arguments and flags.
fn name(call: &str) -> String {
    let is_name =
        |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
    call.split_whitespace().take_while(is_name).collect::<Vec<_>>().join(" ")
}

/// The commands that the help of a command lists.
fn subcommands(command: &[&str]) -> Vec<String> {
    let help = Sandbox::new().run(&[command, &["--help"]].concat()).expect_code(0).stdout;
    let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    // A name stands two blanks in, what it does further on.
    let names =
        lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn chores_in_documents_are_there() {
    let chores = fs::read_to_string(root().join("xtask/src/main.rs")).unwrap();
    let mut problems = Vec::new();
    for document in documents() {
        let blocks = document.blocks();
        let lines =
            blocks.iter().flat_map(|block| block.text.lines().map(|line| (block.line, line.to_owned())));
        for (line, text) in lines.chain(document.code_spans()) {
            let chore = text
                .split_once("cargo xtask ")
                .map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default());
            if chore.is_some_and(|chore| chore != "help" && !chores.contains(&format!("name: \"{chore}\""))) {
                problems.push(format!("{}:{line}: there is no such chore: {text}", document.path));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn links_lead_somewhere() {
    let mut problems = Vec::new();
    for document in documents() {
        for (line, target) in document.links() {
            if target.starts_with("https://") || target.starts_with("http://") {
                continue;
            }
            let (path, fragment) = target.split_once('#').unwrap_or((&target, ""));
            let folder = Path::new(&document.path).parent().unwrap_or(Path::new(""));
            let path = if path.is_empty() {
                document.path.clone()
            } else {
                folder.join(path).to_string_lossy().into_owned()
            };
            if !root().join(&path).exists() {
                problems.push(format!("{}:{line}: there is no {path}", document.path));
            } else if !fragment.is_empty() && !Document::read(&path).anchors().contains(fragment) {
                problems.push(format!("{}:{line}: {path} has no heading #{fragment}", document.path));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn paths_in_documents_are_there() {
    let tops = ["crates/", "docs/", "tests/", "xtask/", "benchmarks/", "findings/", "schemas/", "pipelines/"];
    let is_plain = |span: &str| !span.contains(['*', '<', ' ', '{', '…', '(']) && !span.contains("NAME");
    let mut problems = Vec::new();
    for document in documents().iter().filter(|document| document.path != "CHANGELOG.md") {
        for (line, span) in document.code_spans() {
            let path = span.split(':').next().unwrap_or_default();
            let concerns = tops.iter().any(|top| path.starts_with(top)) && is_plain(path);
            if concerns && !document.path.ends_with("getting-started.md") && !root().join(path).exists() {
                problems.push(format!("{}:{line}: there is no {path}", document.path));
            }
        }
    }
    assert_none(&problems);
}

/// A block with the name of a file shows that file, perhaps with lines left out.
#[test]
fn shown_files_are_those_of_the_demo() {
    let mut problems = Vec::new();
    let mut shown = 0;
    for document in documents().iter().filter(|document| document.path != GUIDE) {
        for block in document.blocks() {
            let Some(file) = block.attribute("title") else { continue };
            let text = fs::read_to_string(root().join(file)).unwrap_or_default();
            let mut lines = text.lines().map(without_comment);
            let lost =
                block.text.lines().map(without_comment).find(|line| !lines.any(|known| known == *line));
            problems.extend(
                lost.map(|line| {
                    format!("{}:{}: {file} has no line `{line}` there", document.path, block.line)
                }),
            );
            shown += 1;
        }
    }
    assert_none(&problems);
    assert!(shown > 5, "{shown} files are shown");
}

fn without_comment(line: &str) -> &str {
    line.split("  #").next().unwrap_or_default().trim_end()
}

/// What the pages of definitions show as whole files can stand in the demo project.
#[test]
fn definitions_in_documents_are_valid() {
    let sandbox = Sandbox::new();
    for path in ["tranche.yaml", "schemas", "pipelines"] {
        copy(&root().join(path), &sandbox.path().join(path));
    }
    let mut definitions = 0;
    for document in documents().iter().filter(|document| document.path.starts_with("docs/definitions/")) {
        for block in document.blocks() {
            let Some(path) = place_of(&block) else { continue };
            sandbox.write(&path, &block.text);
            definitions += 1;
        }
    }
    assert!(definitions > 8, "{definitions} definitions");
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
}

/// Where a whole definition lies in the demo; `None` for a block that is none.
fn place_of(block: &Block) -> Option<String> {
    const KINDS: [(&str, &str, &str); 9] = [
        ("table", "schemas", "yaml"),
        ("source", "pipelines/shop/sources", "yaml"),
        ("metric", "pipelines/shop/metrics", "yaml"),
        ("experiment", "pipelines/shop/experiments", "yaml"),
        ("report", "pipelines/shop/reports", "yaml"),
        ("traits", "pipelines/shop/traits", "sql"),
        ("segment", "pipelines/shop/segments", "sql"),
        ("segment_set", "pipelines/shop/segments", "sql"),
        ("pipeline", "pipelines/shop", "yaml"),
    ];
    let mut lines = block.text.lines();
    let is_whole = matches!(lines.next(), Some("version: 1" | "/*---"));
    let (key, name) = lines.next().filter(|_| is_whole)?.split_once(": ")?;
    let (_, folder, extension) = KINDS.iter().find(|(kind, _, _)| *kind == key)?;
    let name = if key == "pipeline" { "pipeline" } else { name };
    Some(format!("{folder}/{name}.{extension}"))
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
