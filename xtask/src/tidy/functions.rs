//! Functions that are too long or take too much.

use syn::visit::{Visit, visit_item_fn, visit_item_mod};
use syn::{Block, ImplItem, ImplItemFn, ItemFn, ItemImpl, ItemMod, Signature, TraitItemFn};

use super::{File, Problem, is_a_test_file};
use crate::rust_source::{is_for_tests, program_items};

const MAX_LINES: usize = 70;
const MAX_PARAMETERS: usize = 6;

/// The functions of the program; those of tests may be long.
pub(super) fn check(file: &File) -> Vec<Problem> {
    if !file.is_rust() || file.path.starts_with("tests/") || is_a_test_file(file.path) {
        return vec![];
    }
    // What does not parse, the compiler reports.
    let Ok(items) = program_items(file.text) else { return vec![] };
    let mut functions = Functions { problems: Vec::new() };
    for item in &items {
        functions.visit_item(item);
    }
    functions.problems
}

struct Functions {
    problems: Vec<Problem>,
}

impl Functions {
    fn check(&mut self, signature: &Signature, body: Option<&Block>) {
        let line = signature.ident.span().start().line;
        let name = &signature.ident;
        let end = body.map_or(line, |body| body.brace_token.span.close().end().line);
        let lines = end - signature.fn_token.span.start().line + 1;
        if lines > MAX_LINES {
            let message = format!("`{name}` has {lines} lines, over {MAX_LINES}: split it");
            self.problems.push(Problem { line, message });
        }
        let parameters =
            signature.inputs.iter().filter(|input| matches!(input, syn::FnArg::Typed(_))).count();
        if parameters > MAX_PARAMETERS {
            let message =
                format!("`{name}` takes {parameters} parameters, over {MAX_PARAMETERS}: group them");
            self.problems.push(Problem { line, message });
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.check(&function.sig, Some(&function.block));
        visit_item_fn(self, function);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        for function in &item.items {
            match function {
                ImplItem::Fn(function) if !is_for_tests(&function.attrs) => self.visit_impl_item_fn(function),
                _ => {}
            }
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.check(&function.sig, Some(&function.block));
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        self.check(&function.sig, function.default.as_ref());
        syn::visit::visit_trait_item_fn(self, function);
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

    fn check(path: &str, text: &str, expected: &[(usize, &str)]) {
        let problems = super::check(&File { path, text });
        let found: Vec<_> = problems
            .iter()
            .map(|problem| (problem.line, problem.message.split(',').next().unwrap_or("")))
            .collect();
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn a_function_has_at_most_70_lines() {
        let of =
            |lines: usize| format!("/// Long.\nfn long() {{\n{}}}\n", "    let _ = 1;\n".repeat(lines - 2));
        check("crates/sql/src/a.rs", &of(70), &[]);
        check("crates/sql/src/a.rs", &of(71), &[(2, "`long` has 71 lines")]);
        check("crates/sql/src/a_tests.rs", &of(71), &[]);
        check("tests/tests/all/a.rs", &of(71), &[]);
        check("crates/sql/src/a.rs", &format!("#[cfg(test)]\nmod tests {{ {} }}", of(71)), &[]);
    }

    #[test]
    fn a_function_takes_at_most_6_parameters_and_itself() {
        let six = "impl A { fn six(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) {} }";
        check("crates/sql/src/a.rs", six, &[]);
        let seven = "trait A {\n fn seven(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8);\n}";
        check("crates/sql/src/a.rs", seven, &[(2, "`seven` takes 7 parameters")]);
    }
}
