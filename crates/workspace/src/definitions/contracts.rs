//! The contracts of a project.

use std::time::Duration;

use indexmap::IndexMap;
use tranche_project::{Limits, Problems, Project, SourceFile, already_defined, duration, yaml};
use tranche_schema::{Contract, ContractSpec};

/// The contracts of a project, by table.
#[derive(Default)]
pub(super) struct Contracts {
    /// The contracts.
    pub(super) contracts: IndexMap<String, Contract>,
    /// Their files.
    pub(super) files: IndexMap<String, SourceFile>,
    /// How old the newest load of a table may be.
    pub(super) freshness: IndexMap<String, Duration>,
}

/// Reads the contracts; problems are reported, and what is unsound is left out.
pub(super) fn read_contracts(project: &Project, limits: &Limits, problems: &mut Problems) -> Contracts {
    let Contracts { mut contracts, mut files, mut freshness } = Contracts::default();
    for file in project.schemas() {
        let Some(spec) = yaml::read::<ContractSpec>(file, problems) else { continue };
        let at = spec.table.referenced;
        let entity_at = spec.entity.referenced;
        if spec.columns.value.len() as u64 > limits.columns {
            let message = format!(
                "{} columns, and a table may have {} (`limits.columns` in tranche.yaml)",
                spec.columns.value.len(),
                limits.columns
            );
            problems.report(file, spec.columns.referenced, message);
        }
        let fresh = spec.freshness.as_ref().and_then(|text| match duration::parse(&text.value) {
            Ok(duration) => Some(duration),
            Err(message) => {
                problems.report(file, text.referenced, message);
                None
            }
        });
        let Some(contract) = spec.validate(&mut |location, message| problems.report(file, location, message))
        else {
            continue;
        };
        if let Some(other) = files.get(&contract.table) {
            problems.report(file, at, already_defined("table", &contract.table, other));
            continue;
        }
        if let Some(entity) = contract.entity()
            && let Some(other) = contracts.values().find(|other| other.entity() == Some(entity))
        {
            problems.report(
                file,
                entity_at,
                format!("entity `{entity}` has its table already: `{}`", other.table),
            );
        }
        freshness.extend(fresh.map(|duration| (contract.table.clone(), duration)));
        files.insert(contract.table.clone(), file.clone());
        contracts.insert(contract.table.clone(), contract);
    }
    Contracts { contracts, files, freshness }
}
