//! Reading Rust files as syntax: which code is a test's, and which modules a file declares.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, ItemMod, Meta};

use crate::process::root;

/// A file of a crate that goes into the program: neither a test nor part of one.
pub(crate) struct RustFile {
    /// Relative to the root of the repository, with `/`.
    pub(crate) path: String,
    /// Where it stands in its crate; empty for `lib.rs` and `main.rs`.
    pub(crate) module: Vec<String>,
    /// Its items but those of tests.
    pub(crate) items: Vec<Item>,
}

/// The folders of crates, by name.
pub(crate) fn crate_folders() -> Result<Vec<PathBuf>, String> {
    let folder = root().join("crates");
    let entries =
        fs::read_dir(&folder).map_err(|problem| format!("cannot list {}: {problem}", folder.display()))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| folder.join("Cargo.toml").is_file());
    folders.sort();
    Ok(folders)
}

/// The files of one crate, found as the compiler finds them: from `lib.rs` or `main.rs` on, by `mod` declarations.
pub(crate) fn read_crate(folder: &Path) -> Result<Vec<RustFile>, String> {
    let source = folder.join("src");
    let entry = ["lib.rs", "main.rs"].iter().map(|name| source.join(name)).find(|path| path.is_file());
    let entry = entry.ok_or_else(|| format!("{} has neither lib.rs nor main.rs", source.display()))?;
    let mut files = Vec::new();
    read_module(&entry, &source, vec![], &mut files)?;
    Ok(files)
}

/// `children` is the folder in which the files of its child modules lie.
fn read_module(
    path: &Path,
    children: &Path,
    module: Vec<String>,
    files: &mut Vec<RustFile>,
) -> Result<(), String> {
    let name = path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/");
    let text = fs::read_to_string(path).map_err(|problem| format!("cannot read {name}: {problem}"))?;
    let items = program_items(&text).map_err(|problem| format!("{name}: {problem}"))?;
    let declared: Vec<String> = items.iter().filter_map(declared_module).collect();
    files.push(RustFile { path: name, module: module.clone(), items });
    for child in declared {
        let flat = children.join(format!("{child}.rs"));
        let nested = children.join(&child).join("mod.rs");
        let found = if flat.is_file() { flat } else { nested };
        let module = module.iter().cloned().chain([child.clone()]).collect();
        read_module(&found, &children.join(&child), module, files)?;
    }
    Ok(())
}

/// The items of a file without those that are compiled for tests alone.
pub(crate) fn program_items(text: &str) -> Result<Vec<Item>, String> {
    let file = syn::parse_file(text).map_err(|problem| {
        let start = problem.span().start();
        format!("line {}, column {}: {problem}", start.line, start.column + 1)
    })?;
    Ok(file.items.into_iter().filter(|item| !is_for_tests(attributes(item))).collect())
}

fn declared_module(item: &Item) -> Option<String> {
    match item {
        Item::Mod(ItemMod { ident, content: None, .. }) => Some(ident.to_string()),
        _ => None,
    }
}

/// Whether attributes say `#[cfg(test)]` or `#[test]`, in whatever form.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let words = list.tokens.to_string();
            words.split(|c: char| !c.is_alphanumeric()).any(|word| word == "test") && !words.contains("not")
        }
        meta => meta.path().segments.last().is_some_and(|last| last.ident == "test"),
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_tests_are_left_out() {
        let text = "mod a;\n#[cfg(test)]\nmod a_tests;\n#[cfg(all(test, unix))]\nfn help() {}\n\
                    #[cfg(not(test))]\nfn real() {}\n#[cfg(feature = \"latest\")]\nuse a::B;";
        let items = program_items(text).expect("parses");
        assert_eq!(items.len(), 3);
        assert_eq!(items.iter().filter_map(declared_module).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn invalid_rust_is_reported_with_its_place() {
        let problem = program_items("fn a() {}\nfn fn b() {}").err();
        assert!(problem.is_some_and(|problem| problem.starts_with("line 2, column 4: ")));
    }

    #[test]
    fn every_crate_is_read_from_its_entry_on() {
        let folders = crate_folders().expect("the crates are listed");
        let schema =
            folders.iter().find(|folder| folder.ends_with("schema")).expect("there is a crate schema");
        let files = read_crate(schema).expect("is read");
        assert!(files.iter().any(|file| file.path == "crates/schema/src/lib.rs" && file.module.is_empty()));
        assert!(
            files.iter().any(|file| file.module == ["contract"]),
            "contract.rs is found by its declaration"
        );
    }
}
