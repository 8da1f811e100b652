//! Markdown as these tests read it: fenced blocks, code spans, links, headings.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tranche_tests::root;

/// A Markdown file of the repository.
#[derive(Debug)]
pub(crate) struct Document {
    /// Relative to the root of the repository, with `/`.
    pub(crate) path: String,
    text: String,
}

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// The line of its fence, counted from 1.
    pub(crate) line: usize,
    /// The first word after the fence, and the others: ```` ```yaml title=tranche.yaml ````.
    pub(crate) language: String,
    attributes: Vec<String>,
    /// What is between the fences, with a newline at the end of each line.
    pub(crate) text: String,
}

impl Block {
    /// The value of `name=value` after the fence.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether this word stands after the fence.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute == word)
    }

    /// Whether it holds commands of a shell.
    pub(crate) fn is_shell(&self) -> bool {
        matches!(self.language.as_str(), "sh" | "bash" | "console" | "")
    }
}

/// All documents, in order of their paths.
pub(crate) fn documents() -> Vec<Document> {
    let mut paths = Vec::new();
    for folder in [".", "docs", "findings"] {
        collect(Path::new(folder), folder != ".", &mut paths);
    }
    paths.sort();
    paths.iter().map(|path| Document::read(path)).collect()
}

fn collect(folder: &Path, deep: bool, paths: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return };
    for entry in entries.flatten() {
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            if deep {
                collect(&path, deep, paths);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path.to_string_lossy().trim_start_matches("./").to_owned());
        }
    }
}

impl Document {
    /// The document at a path below the root.
    pub(crate) fn read(path: &str) -> Self {
        let text =
            fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("cannot read {path}: {e}"));
        Self { path: path.to_owned(), text }
    }

    /// Its fenced blocks.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (line, text) in (1..).zip(self.text.lines()) {
            let fence = text.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(text);
                    block.text.push('\n');
                }
                (None, Some(info)) => {
                    let mut words = info.split_whitespace().map(str::to_owned);
                    let language = words.next().unwrap_or_default();
                    open = Some(Block { line, language, attributes: words.collect(), text: String::new() });
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block is not closed", self.path);
        blocks
    }

    /// Its lines outside of fenced blocks, with their numbers.
    pub(crate) fn prose(&self) -> Vec<(usize, &str)> {
        let mut inside = false;
        let is_prose = |(_, text): &(usize, &str)| {
            let is_fence = text.trim_start().starts_with("```");
            inside ^= is_fence;
            !inside && !is_fence
        };
        (1..).zip(self.text.lines()).filter(is_prose).collect()
    }

    /// What stands between single backticks, with its line.
    pub(crate) fn code_spans(&self) -> Vec<(usize, String)> {
        let spans = |(line, text): (usize, &str)| {
            let spans: Vec<String> =
                text.split('`').skip(1).step_by(2).map(|span| span.replace("\\|", "|")).collect();
            spans.into_iter().map(move |span| (line, span)).collect::<Vec<_>>()
        };
        self.prose().into_iter().flat_map(spans).collect()
    }

    /// The targets of its links and images, with their lines.
    pub(crate) fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (line, text) in self.prose() {
            let without_code: String = text.split('`').step_by(2).collect::<Vec<_>>().join("`");
            let targets = without_code.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            links.extend(targets.map(|target| (line, target.to_owned())));
        }
        links
    }

    /// What the headings of this level say, with their lines.
    pub(crate) fn headings(&self, level: usize) -> Vec<(usize, &str)> {
        let prefix = format!("{} ", "#".repeat(level));
        self.prose()
            .into_iter()
            .filter_map(|(line, text)| Some((line, text.strip_prefix(&prefix)?)))
            .collect()
    }

    /// The fragments that links may name: those of its headings.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        let headings = (1..=6).flat_map(|level| self.headings(level));
        headings.map(|(_, heading)| anchor(heading)).collect()
    }

    /// The first column of each table whose header begins with this word, with lines.
    pub(crate) fn first_cells(&self, header: &str) -> Vec<(usize, String)> {
        let rows = self.table_rows(header).into_iter();
        rows.map(|(line, mut cells)| (line, cells.swap_remove(0))).collect()
    }

    /// The cells of each row of each table whose header begins with this word.
    pub(crate) fn rows(&self, header: &str) -> Vec<Vec<String>> {
        self.table_rows(header).into_iter().map(|(_, cells)| cells).collect()
    }

    fn table_rows(&self, header: &str) -> Vec<(usize, Vec<String>)> {
        let mut inside = false;
        let mut rows = Vec::new();
        for (line, text) in self.prose() {
            let Some(row) = text.strip_prefix('|') else {
                inside = false;
                continue;
            };
            // A bar within a cell is written `\\|`.
            let bare = row.trim_end().trim_end_matches('|').replace("\\|", "\u{1f}");
            let cells: Vec<String> = bare.split('|').map(|cell| cell.trim().replace('\u{1f}', "|")).collect();
            match inside {
                true if !row.starts_with("--") => rows.push((line, cells)),
                true => {}
                false => inside = cells[0] == header,
            }
        }
        rows
    }
}

/// The fragment of a heading, as code hosts make it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn a_document_is_taken_apart() {
    let text = "# The `runs` of a [lake](a.md#b)\n\n| command | does |\n|---|---|\n| `x \\| y` | z |\n\n\
                ```sh demo title=a\ntranche `not` [a](link)\n```\n";
    let document = Document { path: "a.md".to_owned(), text: text.to_owned() };
    let blocks = document.blocks();
    assert_eq!((blocks.len(), blocks[0].line, blocks[0].language.as_str()), (1, 7, "sh"));
    assert_eq!(blocks[0].text, "tranche `not` [a](link)\n");
    assert!(blocks[0].has("demo") && blocks[0].attribute("title") == Some("a"));
    assert_eq!(document.links(), [(1, "a.md#b".to_owned())]);
    assert_eq!(document.code_spans(), [(1, "runs".to_owned()), (5, "x | y".to_owned())]);
    assert_eq!(document.first_cells("command"), [(5, "`x | y`".to_owned())]);
    assert_eq!(anchor("Changes of the clock: `dst`"), "changes-of-the-clock-dst");
}
