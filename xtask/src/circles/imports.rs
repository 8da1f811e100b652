//! Which file of a crate uses which: by its imports, by paths in its code, and by paths in macros.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{Visit, visit_path};
use syn::{Ident, Item, ItemUse, Macro, Path, UseTree, Visibility};

use super::Graph;
use crate::rust_source::{RustFile, is_for_tests};

/// A path from a module, as written or from the crate's root.
type Segments = Vec<String>;

/// The modules of one crate.
pub(super) struct Modules<'a> {
    by_module: BTreeMap<Segments, Module<'a>>,
}

struct Module<'a> {
    file: &'a RustFile,
    children: BTreeSet<String>,
    /// Names that are defined here.
    defined: BTreeSet<String>,
    imports: Vec<Import>,
}

/// One name of a `use`, with the path that it stands for.
struct Import {
    /// `None` for `*`.
    name: Option<String>,
    path: Segments,
    /// Whether others may use the name from here.
    is_re_export: bool,
}

impl<'a> Modules<'a> {
    pub(super) fn of(files: &'a [RustFile]) -> Self {
        Self { by_module: files.iter().map(|file| (file.module.clone(), Module::of(file))).collect() }
    }

    /// Each file with the files that it uses.
    pub(super) fn graph(&self) -> Graph {
        let uses = |module: &Module| {
            let used = self.used_by(module);
            used.into_iter()
                .filter(|used| *used != module.file.module)
                .filter_map(|used| Some(self.by_module.get(&used)?.file.path.clone()))
                .collect()
        };
        self.by_module.values().map(|module| (module.file.path.clone(), uses(module))).collect()
    }

    /// The modules that a file names, in imports or in code.
    fn used_by(&self, module: &Module) -> BTreeSet<Segments> {
        let mut paths = PathsInCode::default();
        for item in module.file.items.iter().filter(|item| !matches!(item, Item::Use(_))) {
            paths.visit_item(item);
        }
        let own_use = |import: &&Import| {
            !import.is_re_export || import.name.as_ref().is_none_or(|name| paths.words.contains(name))
        };
        let imported = module.imports.iter().filter(own_use).map(|import| &import.path);
        imported.chain(&paths.found).filter_map(|path| self.resolve(&module.file.module, path, 0)).collect()
    }

    /// The module in which a path ends, if that is in this crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<Segments> {
        let (first, mut rest) = path.split_first()?;
        let mut current = match first.as_str() {
            "crate" => vec![],
            "self" => from.to_vec(),
            "super" => from.split_last()?.1.to_vec(),
            _ => {
                let here = self.by_module.get(from)?;
                rest = path;
                if !here.children.contains(first) && depth == 0 {
                    return None;
                }
                from.to_vec()
            }
        };
        while let Some((segment, after)) = rest.split_first() {
            let module = self.by_module.get(&current)?;
            if segment == "super" {
                current.pop();
            } else if module.children.contains(segment) {
                current.push(segment.clone());
            } else {
                return Some(self.through_re_exports(module, segment, depth).unwrap_or(current));
            }
            rest = after;
        }
        Some(current)
    }

    /// Where a name is defined that a module hands on.
    fn through_re_exports(&self, module: &Module, name: &String, depth: usize) -> Option<Segments> {
        if module.defined.contains(name) || depth > 8 {
            return None;
        }
        let from = &module.file.module;
        let named =
            module.imports.iter().filter(|import| import.is_re_export && import.name.as_ref() == Some(name));
        let by_name = named.filter_map(|import| self.resolve(from, &import.path, depth + 1)).next();
        by_name.or_else(|| {
            let globs = module.imports.iter().filter(|import| import.is_re_export && import.name.is_none());
            globs
                .filter_map(|import| self.resolve(from, &import.path, depth + 1))
                .find(|target| self.by_module.get(target).is_some_and(|module| module.defined.contains(name)))
        })
    }
}

impl<'a> Module<'a> {
    fn of(file: &'a RustFile) -> Self {
        let mut module =
            Self { file, children: BTreeSet::new(), defined: BTreeSet::new(), imports: Vec::new() };
        for item in &file.items {
            match item {
                Item::Mod(item) if item.content.is_none() => {
                    module.children.insert(item.ident.to_string());
                }
                Item::Use(item) => module.import(item),
                item => module.defined.extend(defined_name(item).map(Ident::to_string)),
            }
        }
        module
    }

    fn import(&mut self, item: &ItemUse) {
        if item.leading_colon.is_none() {
            let is_re_export = !matches!(item.vis, Visibility::Inherited);
            self.import_tree(&item.tree, &[], is_re_export);
        }
    }

    fn import_tree(&mut self, tree: &UseTree, before: &[String], is_re_export: bool) {
        let with = |ident: &Ident| {
            let own = ident.to_string();
            let own = (own != "self" || before.is_empty()).then_some(own);
            before.iter().cloned().chain(own).collect::<Segments>()
        };
        let mut add = |name, path| self.imports.push(Import { name, path, is_re_export });
        match tree {
            UseTree::Path(path) => self.import_tree(&path.tree, &with(&path.ident), is_re_export),
            UseTree::Name(name) => {
                let path = with(&name.ident);
                add(path.last().cloned(), path);
            }
            UseTree::Rename(rename) => add(Some(rename.rename.to_string()), with(&rename.ident)),
            UseTree::Glob(_) => add(None, before.to_vec()),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import_tree(tree, before, is_re_export);
                }
            }
        }
    }
}

fn defined_name(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        _ => None,
    }
}

/// Paths of two segments or more, and all single words, of a file's code.
#[derive(Default)]
struct PathsInCode {
    found: BTreeSet<Segments>,
    words: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for PathsInCode {
    fn visit_path(&mut self, path: &'ast Path) {
        let segments: Segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.words.extend(segments.first().cloned());
        if segments.len() > 1 && path.leading_colon.is_none() {
            self.found.insert(segments);
        }
        visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut inner = vec![(Segments::new(), &item.tree)];
        while let Some((before, tree)) = inner.pop() {
            let with =
                |ident: &Ident| before.iter().cloned().chain([ident.to_string()]).collect::<Segments>();
            match tree {
                UseTree::Path(path) => inner.push((with(&path.ident), &path.tree)),
                UseTree::Group(group) => inner.extend(group.items.iter().map(|tree| (before.clone(), tree))),
                UseTree::Name(name) => self.found.extend([with(&name.ident)]),
                UseTree::Rename(rename) => self.found.extend([with(&rename.ident)]),
                UseTree::Glob(_) => self.found.extend([before]),
            }
        }
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.visit_path(&item.path);
        self.read_tokens(item.tokens.clone());
    }
}

impl PathsInCode {
    /// Paths in what a macro is given: words with `::` between them.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path = Segments::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end(&mut path);
                    self.read_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.end(&mut path);
                    colons = 0;
                }
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Segments) {
        self.words.extend(path.first().cloned());
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.found.insert(path);
        }
    }
}
