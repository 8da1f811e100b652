//! Folders of the lake that are spelled outside the one place that owns them.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Lit, LitStr, Macro};

use super::{File, Problem};
use crate::rust_source::program_items;

/// The crate that spells them.
const OWNER: &str = "crates/schema/";
/// Folders that hold folders. That of a single table is a word that means other things, too.
const FOLDERS: [&str; 7] = ["_sys", "_state", "tables", "traits", "memberships", "quarantine", "reports"];

/// The texts of the program that begin with a folder of the lake.
pub(super) fn check(file: &File) -> Vec<Problem> {
    if !file.is_rust() || !file.path.starts_with("crates/") || file.path.starts_with(OWNER) {
        return vec![];
    }
    if super::functions::is_a_test_file(file.path) {
        return vec![];
    }
    // What does not parse, the compiler reports.
    let Ok(items) = program_items(file.text) else { return vec![] };
    let mut texts = Texts { problems: Vec::new() };
    for item in &items {
        texts.visit_item(item);
    }
    texts.problems
}

struct Texts {
    problems: Vec<Problem>,
}

impl Texts {
    fn check(&mut self, literal: &LitStr) {
        let text = literal.value();
        let (first, is_path) =
            text.split_once('/').map_or((text.as_str(), false), |(first, _)| (first, true));
        if FOLDERS.contains(&first) && (is_path || first.starts_with('_')) {
            let message = format!("`{first}` is spelled here: take it from `schema::layout`");
            self.problems.push(Problem { line: literal.span().start().line, message });
        }
    }

    fn check_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.check_tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Lit::Str(text) = Lit::new(literal) {
                        self.check(&text);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Texts {
    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        self.check(literal);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.check_tokens(call.tokens.clone());
    }

    /// Documentation may name what it explains.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, lines: &[usize]) {
        let found: Vec<usize> =
            super::check(&File { path, text }).into_iter().map(|problem| problem.line).collect();
        assert_eq!(found, lines, "{path}: {text}");
    }

    #[test]
    fn a_folder_is_spelled_by_its_owner_alone() {
        let text = "/// Under `_sys/runs`.\nconst A: &str = \"_sys/runs\";\nfn b(c: &str) -> String {\n    \
                    format!(\"traits/{c}\")\n}\nconst D: [&str; 2] = [\"_state\", \"reports\"];\n";
        check("crates/cli/src/a.rs", text, &[2, 4, 6]);
        check("crates/schema/src/layout/system.rs", text, &[]);
        check("crates/cli/src/tests.rs", text, &[]);
        check("tests/tests/all/a.rs", text, &[]);
        check(
            "crates/cli/src/a.rs",
            "#[cfg(test)]\nmod tests {\n    const A: &str = \"_sys/runs\";\n}\n",
            &[],
        );
        check("crates/cli/src/a.rs", "const A: &str = \"see the tables/ of the lake\";", &[]);
    }
}
