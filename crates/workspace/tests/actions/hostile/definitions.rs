//! Definitions: a file of a sound project is replaced, and all of it is checked.

use std::sync::OnceLock;

use tranche_project::Project;
use tranche_workspace::{Place, Tranche, actions};

use super::block_on;
use crate::shop::{DEFINITIONS, PIPELINE};

const SETTINGS: &str = "version: 1\nlake: memory://lake/shop\n";

/// The YAML files that the first byte chooses between.
const YAML: [&str; 8] = [
    "tranche.yaml",
    "schemas/purchases.yaml",
    "pipelines/shop/pipeline.yaml",
    "pipelines/shop/sources/purchases.yaml",
    "pipelines/shop/metrics/revenue.yaml",
    "pipelines/shop/experiments/banner.yaml",
    "pipelines/shop/reports/monthly.yaml",
    "pipelines/shop/reports/quality.yaml",
];

/// A byte that chooses the file, and its text.
pub(super) fn yaml(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    check_with(YAML[usize::from(*first) % YAML.len()], text);
}

/// The text of a segment, with its front matter.
pub(super) fn front_matter(data: &[u8]) {
    check_with("pipelines/shop/segments/active.sql", data);
}

/// The statement of a segment.
pub(super) fn sql(data: &[u8]) {
    let text = [b"/*---\nsegment: active\nentity: person\n---*/\n", data].concat();
    check_with("pipelines/shop/segments/active.sql", &text);
}

/// Every problem is told at a place that the file has.
fn check_with(path: &str, bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    static TRANCHE: OnceLock<Tranche> = OnceLock::new();
    let files = [("tranche.yaml", SETTINGS), ("pipelines/shop/pipeline.yaml", PIPELINE)];
    let files = files.into_iter().chain(DEFINITIONS).filter(|(other, _)| *other != path);
    let project = || Project::from_files(files.clone().chain([(path, text)]));
    let place = Place { folder: std::env::temp_dir(), lake: None };
    let tranche =
        TRANCHE.get_or_init(|| Tranche::with_project(&place, project(), actions::standard()).unwrap());
    let Err(failure) = block_on(tranche.with_definitions(project()).check()) else { return };
    let lines = text.lines().count() as u64 + 1;
    for problem in failure.diagnostics.iter().filter(|problem| problem.file == path) {
        assert!((1..=lines).contains(&problem.line), "{problem:?} in a text of {lines} lines");
        assert!(problem.column > 0 && !problem.message.is_empty(), "{problem:?}");
    }
}
