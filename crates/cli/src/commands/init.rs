//! `init`: a small working project, with data.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use schemars::JsonSchema;
use serde::Serialize;
use tranche_demo::{DemoOptions, generate};

use crate::args::{Format, Global, Init};
use crate::failure::Failure;
use crate::output::{print_document, print_text};

static PIPELINES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../pipelines");
static SCHEMAS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../schemas");
const SETTINGS: &str = include_str!("../../../../tranche.yaml");
const IGNORED: &str = "/lake\n/data\n";

/// The new project.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct InitSummary {
    /// The project's folder.
    folder: PathBuf,
    /// The rows of each family of raw files, by path or glob below `data/`.
    rows: BTreeMap<String, u64>,
}

pub(super) fn run(init: &Init, global: &Global) -> Result<(), Failure> {
    let folder = &init.folder;
    let cannot = |path: &Path, error: std::io::Error| {
        Failure::storage(format!("cannot write {}: {error}", path.display()))
    };
    if !init.data_only {
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Failure::definition(format!("{} is not empty; name a new folder", folder.display())));
        }
        for (name, files) in [("pipelines", &PIPELINES), ("schemas", &SCHEMAS)] {
            let target = folder.join(name);
            fs::create_dir_all(&target)
                .and_then(|()| files.extract(&target))
                .map_err(|e| cannot(&target, e))?;
        }
        for (name, text) in [("tranche.yaml", SETTINGS), (".gitignore", IGNORED)] {
            fs::write(folder.join(name), text).map_err(|e| cannot(&folder.join(name), e))?;
        }
    }
    let options = DemoOptions { customers: init.customers, ..DemoOptions::default() };
    let bar = indicatif::ProgressBar::new_spinner();
    let mut progress = |month: &str| {
        bar.set_message(format!("writing {month}"));
        bar.tick();
    };
    let data = folder.join("data");
    let summary = generate(&options, &data, &mut progress).map_err(|e| cannot(&data, e))?;
    bar.finish_and_clear();
    if global.format == Format::Json {
        let rows = summary.files.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect();
        return print_document(&InitSummary { folder: folder.clone(), rows });
    }
    for (name, rows) in &summary.files {
        print_text(&format!("{rows:>9} rows in data/{name}"))?;
    }
    let project = folder.display();
    print_text(&format!("\nnext: tranche --project {project} run shop --as-of 2026-11-01"))
}
