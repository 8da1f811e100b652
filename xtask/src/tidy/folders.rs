//! Folders of the lake that are spelled outside `schema::layout`, their one owner.

use proc_macro2::{Literal, TokenStream, TokenTree};
use syn::visit::{Visit, visit_item_mod};
use syn::{Attribute, ItemMod, LitStr, Macro};

use super::{File, Problem, is_a_test_file};
use crate::rust_source::{is_for_tests, program_items};

/// Begins of paths in a lake. A word by itself may be a name in SQL or YAML; with `/` behind it, or `_` before it, it is a folder.
const FOLDERS: [&str; 14] = [
    "_state",
    "_sys",
    "estimate_series/",
    "estimates/",
    "kpis/",
    "loads/",
    "memberships/",
    "predictions/",
    "profiles/",
    "quarantine/",
    "reports/",
    "segment_history/",
    "tables/",
    "traits/",
];

/// String literals of the program that begin like a path in a lake.
pub(super) fn check(file: &File) -> Vec<Problem> {
    let owns_the_layout = file.path.starts_with("crates/schema/");
    if !file.is_rust() || !file.path.starts_with("crates/") || owns_the_layout || is_a_test_file(file.path) {
        return vec![];
    }
    // What does not parse, the compiler reports.
    let Ok(items) = program_items(file.text) else { return vec![] };
    let mut literals = Literals { problems: Vec::new() };
    for item in &items {
        literals.visit_item(item);
    }
    literals.problems
}

struct Literals {
    problems: Vec<Problem>,
}

impl Literals {
    fn check(&mut self, text: &str, line: usize) {
        let folder = FOLDERS.iter().find(|folder| match text.strip_prefix(**folder) {
            Some(rest) if folder.starts_with('_') => rest.is_empty() || rest.starts_with('/'),
            rest => rest.is_some(),
        });
        if folder.is_some() {
            let message = format!("`{text}` is a folder of the lake: take it from `schema::layout`");
            self.problems.push(Problem { line, message });
        }
    }

    fn read_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.read_tokens(group.stream()),
                TokenTree::Literal(literal) => self.check_literal(&literal),
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }

    fn check_literal(&mut self, literal: &Literal) {
        let written = literal.to_string();
        let text = written.trim_start_matches(['b', 'r', '#']).strip_prefix('"');
        if let Some(text) = text {
            self.check(text.trim_end_matches(['#', '"']), literal.span().start().line);
        }
    }
}

impl<'ast> Visit<'ast> for Literals {
    /// Documentation may name a folder.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        self.check(&literal.value(), literal.span().start().line);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.read_tokens(item.tokens.clone());
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit_item_mod(self, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &[usize]) {
        let problems = super::check(&File { path, text });
        assert_eq!(
            problems.iter().map(|problem| problem.line).collect::<Vec<_>>(),
            expected,
            "{path}: {text}"
        );
    }

    #[test]
    fn a_folder_of_the_lake_is_spelled_in_schema_alone() {
        let text = "const A: &str = \"_sys/runs\";\nfn b(e: &str) -> String {\n    format!(\"traits/{e}\")\n}\n\
                    const C: &str = r#\"_state\"#;";
        check("crates/segment/src/store.rs", text, &[1, 3, 5]);
        check("crates/schema/src/layout/state.rs", text, &[]);
        check("crates/segment/src/store_tests.rs", text, &[]);
        check("crates/segment/src/a.rs", &format!("#[cfg(test)]\nmod tests {{ {text} }}"), &[]);
    }

    #[test]
    fn words_of_sql_and_documentation_are_no_folders() {
        let text = "/// Below `traits/customer`.\nconst A: &str = \"traits\";\nconst B: &str = \"_states\";\n\
                    const C: &str = \"SELECT * FROM memberships\";";
        check("crates/segment/src/store.rs", text, &[]);
    }
}
