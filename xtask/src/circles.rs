//! `circles`: no file of a crate imports, directly or through others, from a file that imports from it.
//!
//! A definition as written and its validation may refer to each other: a pair of `spec` and `validate`, and nothing else, is allowed.
//! Files of tests do not count. A name that a module re-exports counts as a use of the file where it is defined.

mod imports;

use std::collections::{BTreeMap, BTreeSet};

use crate::Outcome;
use crate::rust_source::{crate_folders, read_crate};
use imports::Modules;

/// Which file uses which, by their paths.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Fails on every circle but the allowed pairs.
pub(crate) fn check() -> Outcome {
    let mut files = 0;
    let mut circles = Vec::new();
    for folder in crate_folders()? {
        let graph = Modules::of(&read_crate(&folder)?).graph();
        files += graph.len();
        circles.extend(forbidden(&graph));
    }
    if circles.is_empty() {
        println!("{files} files, none of them in a circle");
        return Ok(());
    }
    let held: usize = circles.iter().map(|(circle, _)| circle.len()).sum();
    println!(
        "{}",
        circles.iter().map(|(circle, arrows)| described(circle, arrows)).collect::<Vec<_>>().join("\n")
    );
    Err(format!("{} circles hold {held} of {files} files", circles.len()))
}

/// Files that reach each other, and the arrows between them.
type Circle = (BTreeSet<String>, Vec<(String, String)>);

/// The circles that are not allowed, largest first.
fn forbidden(graph: &Graph) -> Vec<Circle> {
    let mut circles: Vec<_> =
        circles_of(graph).into_iter().filter(|circle| !is_spec_and_validate(circle)).collect();
    circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    let with_arrows = circles.into_iter().map(|circle| {
        let arrows = circle
            .iter()
            .flat_map(|from| graph.get(from).into_iter().flatten().map(move |to| (from.clone(), to.clone())))
            .filter(|(_, to)| circle.contains(to))
            .collect();
        (circle, arrows)
    });
    with_arrows.collect()
}

fn described(circle: &BTreeSet<String>, arrows: &[(String, String)]) -> String {
    let arrows: Vec<String> = arrows.iter().map(|(from, to)| format!("    {from} -> {to}")).collect();
    format!("  a circle of {}:\n{}", circle.len(), arrows.join("\n"))
}

fn is_spec_and_validate(circle: &BTreeSet<String>) -> bool {
    let stems: BTreeSet<&str> = circle
        .iter()
        .filter_map(|path| path.trim_end_matches("/mod.rs").rsplit('/').next())
        .map(|name| name.trim_end_matches(".rs"))
        .collect();
    circle.len() == 2 && stems == BTreeSet::from(["spec", "validate"])
}

/// Sets of files of which each reaches each other.
fn circles_of(graph: &Graph) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|from| (from, reachable(graph, from))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (from, there) in &reached {
        if circles.iter().any(|circle| circle.contains(*from)) {
            continue;
        }
        let back = there.iter().filter(|to| reached.get(**to).is_some_and(|there| there.contains(from)));
        let circle: BTreeSet<String> = back.map(|to| (*to).clone()).collect();
        if circle.len() > 1 {
            circles.push(circle);
        }
    }
    circles
}

fn reachable<'a>(graph: &'a Graph, from: &'a String) -> BTreeSet<&'a String> {
    let mut seen = BTreeSet::new();
    let mut rest = vec![from];
    while let Some(file) = rest.pop() {
        for to in graph.get(file).into_iter().flatten() {
            if seen.insert(to) {
                rest.push(to);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rust_source::{RustFile, program_items};

    /// The circles among files that are given as module and text; a module is called by its path, the crate's entry `lib`.
    fn check(files: &[(&str, &str)], expected: &[&[&str]]) {
        let files: Vec<RustFile> = files
            .iter()
            .map(|(module, text)| RustFile {
                path: (*module).to_owned(),
                module: module.split('/').filter(|part| *part != "lib").map(str::to_owned).collect(),
                items: program_items(text).expect("is Rust"),
            })
            .collect();
        let found: Vec<Vec<String>> = forbidden(&Modules::of(&files).graph())
            .into_iter()
            .map(|(circle, _)| circle.into_iter().collect())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn imports_in_one_direction_are_no_circle() {
        check(&[("lib", "mod a; mod b;"), ("a", "use crate::b::B;"), ("b", "pub struct B;")], &[]);
    }

    #[test]
    fn imports_in_both_directions_are_a_circle() {
        let files =
            [("lib", "mod a; mod b;"), ("a", "use crate::b::B; pub struct A;"), ("b", "use super::a::A;")];
        check(&files, &[&["a", "b"]]);
    }

    #[test]
    fn a_circle_may_go_round_several_files_and_through_paths_in_code_and_macros() {
        check(
            &[
                ("lib", "mod a; mod b; mod c;"),
                ("a", "fn a() { crate::b::b() }"),
                ("b", "fn b() { vec![crate::c::c()]; }"),
                ("c", "fn c(_: &super::a::A) {}"),
            ],
            &[&["a", "b", "c"]],
        );
    }

    #[test]
    fn a_name_that_is_re_exported_is_used_where_it_is_defined() {
        let door = "mod a; mod b; pub use a::A; pub(crate) use b::*;";
        check(
            &[("lib", door), ("a", "use crate::B; pub struct A;"), ("b", "use crate::A; pub struct B;")],
            &[&["a", "b"]],
        );
        check(&[("lib", door), ("a", "use crate::B; pub struct A;"), ("b", "pub struct B;")], &[]);
    }

    #[test]
    fn a_module_and_its_child_are_a_circle_when_each_uses_the_other() {
        check(
            &[
                ("lib", "mod a;"),
                ("a", "mod child; pub struct A; fn a() { child::c() }"),
                ("a/child", "use super::A;"),
            ],
            &[&["a", "a/child"]],
        );
        check(
            &[
                ("lib", "mod a;"),
                ("a", "mod child; pub use child::C; pub struct A;"),
                ("a/child", "use super::A;"),
            ],
            &[],
        );
    }

    #[test]
    fn a_spec_and_its_validation_may_refer_to_each_other() {
        let files = [
            ("lib", "mod spec; mod validate;"),
            ("spec", "use crate::validate::v;"),
            ("validate", "use crate::spec::S;"),
        ];
        check(&files, &[]);
    }
}
