//! `schemas`: the JSON Schemas of all definitions and of every JSON output, as the binary writes them. docs/schemas/ keeps those of
//! definitions for editors, docs/schemas/output/ those of outputs for programs that read them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::process::{build_tranche, program, root, run, target_dir};

const SUFFIX: &str = ".schema.json";

/// The folder of the schemas of outputs, below that of definitions.
const OUTPUT: &str = "output";

/// Path below the folder to content.
type Schemas = BTreeMap<String, String>;

/// Fails if docs/schemas/ is not what the binary writes.
pub(crate) fn check() -> Outcome {
    let generated = generate()?;
    let drift = drift(&generated, &committed()?);
    if drift.is_empty() {
        println!("{} schemas, all up to date", generated.len());
        return Ok(());
    }
    Err(format!("docs/schemas/ is out of date; `cargo xtask schemas` updates it:\n  {}", drift.join("\n  ")))
}

/// Makes docs/schemas/ what the binary writes.
pub(crate) fn update() -> Outcome {
    let (generated, committed) = (generate()?, committed()?);
    let changes = drift(&generated, &committed);
    replace(&generated, &committed)
        .map_err(|problem| format!("cannot write {}: {problem}", folder().display()))?;
    match changes.as_slice() {
        [] => println!("{} schemas, all up to date already", generated.len()),
        changes => println!("{}", changes.join("\n")),
    }
    Ok(())
}

fn folder() -> PathBuf {
    root().join("docs").join("schemas")
}

fn generate() -> Result<Schemas, String> {
    let tranche = build_tranche()?;
    let fresh = target_dir().join("json-schemas");
    let problem = |problem: io::Error| format!("cannot make {}: {problem}", fresh.display());
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(problem)?;
    }
    fs::create_dir_all(&fresh).map_err(problem)?;
    run(program(tranche, &["json-schemas"]).arg(&fresh))?;
    match read(&fresh) {
        Ok(schemas) if schemas.is_empty() => Err(format!("`tranche json-schemas` wrote no *{SUFFIX}")),
        Ok(schemas) => Ok(schemas),
        Err(problem) => Err(format!("cannot read {}: {problem}", fresh.display())),
    }
}

fn committed() -> Result<Schemas, String> {
    match read(&folder()) {
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(Schemas::new()),
        result => result.map_err(|problem| format!("cannot read {}: {problem}", folder().display())),
    }
}

/// The schemas of a folder and of its outputs; line ends are read as git may have changed them.
fn read(folder: &Path) -> io::Result<Schemas> {
    let mut schemas = Schemas::new();
    for (prefix, folder) in [("", folder.to_owned()), ("output/", folder.join(OUTPUT))] {
        if !folder.exists() && !prefix.is_empty() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(SUFFIX) {
                let content = fs::read_to_string(entry.path())?.replace("\r\n", "\n");
                schemas.insert(format!("{prefix}{name}"), content);
            }
        }
    }
    Ok(schemas)
}

fn replace(generated: &Schemas, committed: &Schemas) -> io::Result<()> {
    fs::create_dir_all(folder().join(OUTPUT))?;
    for name in committed.keys().filter(|name| !generated.contains_key(*name)) {
        fs::remove_file(folder().join(name))?;
    }
    for (name, content) in generated.iter().filter(|(name, content)| committed.get(*name) != Some(content)) {
        fs::write(folder().join(name), content)?;
    }
    Ok(())
}

/// One line for each file that differs between the two.
fn drift(generated: &Schemas, committed: &Schemas) -> Vec<String> {
    let fresh = generated.iter().filter_map(|(name, content)| match committed.get(name) {
        None => Some(format!("docs/schemas/{name}: new")),
        Some(committed) if committed != content => Some(format!("docs/schemas/{name}: changed")),
        Some(_) => None,
    });
    let stale = committed.keys().filter(|name| !generated.contains_key(*name));
    fresh.chain(stale.map(|name| format!("docs/schemas/{name}: no longer written"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemas(files: &[(&str, &str)]) -> Schemas {
        files.iter().map(|(name, content)| (format!("{name}{SUFFIX}"), (*content).to_owned())).collect()
    }

    #[test]
    fn drift_names_every_file_that_differs() {
        let generated = schemas(&[("pipeline", "{}"), ("report", "{\"a\": 1}"), ("table", "{}")]);
        let committed = schemas(&[("metric", "{}"), ("report", "{}"), ("table", "{}")]);
        assert_eq!(
            drift(&generated, &committed),
            [
                "docs/schemas/pipeline.schema.json: new",
                "docs/schemas/report.schema.json: changed",
                "docs/schemas/metric.schema.json: no longer written",
            ]
        );
        assert!(drift(&committed, &committed).is_empty());
    }
}
