//! Words that must not stay: work left undone, tests switched off, and paths of one person's machine.
//!
//! They are put together from halves, so that this file does not hold them either.

use super::{File, Problem};

const FORBIDDEN: [(&str, &str); 7] = [
    (concat!("#[ign", "ore"), "run the test or delete it"),
    (concat!("to", "do!("), "write it, or leave it out"),
    (concat!("unimple", "mented!("), "write it, or leave it out"),
    (concat!("FIX", "ME"), "fix it, or say in a sentence why it is so"),
    (concat!("X", "XX"), "fix it, or say in a sentence why it is so"),
    (concat!("/ro", "ot/"), "use a relative path"),
    (concat!("/ho", "me/"), "use a relative path"),
];

/// Every line that holds a forbidden word.
pub(super) fn check(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (line, text) in (1..).zip(file.text.lines()) {
        let found = FORBIDDEN.iter().filter(|(word, _)| stands_in(text, word));
        problems.extend(found.map(|(word, advice)| Problem { line, message: format!("`{word}`: {advice}") }));
    }
    problems
}

/// Whether `word` stands in `text` by itself, not as a part of a longer name or path.
fn stands_in(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        let in_name = |neighbour: Option<char>| neighbour.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let in_path = |neighbour: Option<char>| neighbour.is_some_and(|c| ['.', '-', '~', '}'].contains(&c));
        let continues_before = in_name(before) || (word.starts_with('/') && in_path(before));
        let continues_after = word.ends_with(char::is_alphanumeric) && in_name(after);
        !continues_before && !continues_after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `@` stands for the forbidden word in each text.
    fn check(word: &str, standing: &[&str], part_of_more: &[&str]) {
        let found = |text: &&str| {
            !super::check(&File { path: "docs/page.md", text: &text.replace('@', word) }).is_empty()
        };
        assert!(standing.iter().all(found), "{word} in {standing:?}");
        assert!(!part_of_more.iter().any(found), "{word} in {part_of_more:?}");
    }

    #[test]
    fn a_word_counts_by_itself_only() {
        let [ignored, undone, _, fix, mark, root, home] = FORBIDDEN.map(|(word, _)| word);
        check(ignored, &["@]", "    @ = \"slow\"]"], &["@d_by]"]);
        check(undone, &["@)", "std::@\"later\")"], &["my_@)"]);
        check(fix, &["// @: later"], &["@D", "A@"]);
        check(mark, &["// @ later"], &["mktemp -d name.@@"]);
        check(root, &["cd @x", "\"file://@x\""], &["a@x", "$HOME/.@x"]);
        check(home, &["@ann/data"], &["https://example.com@page", "${DIR}@x"]);
    }

    #[test]
    fn the_line_is_named() {
        let text = format!("one\ntwo\n// {}\n", FORBIDDEN[3].0);
        let lines: Vec<_> =
            super::check(&File { path: "a.rs", text: &text }).iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [3]);
    }
}
