//! What a refresh would read and compute, without doing it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tranche_sql::{Session, Tables};
use tranche_store::Lake;

use crate::definition::definitions::Definitions;
use crate::definition::scope::Scope;
use crate::error::SegmentError;
use crate::evaluate::changes::Changes;
use crate::evaluate::measures::groups_of;
use crate::plan::Sharing;
use crate::plan::{Compiled, Program, Window};
use crate::state::StatePlace;

/// What a refresh of an entity's definitions would do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Explanation {
    /// The entity.
    pub entity: String,
    /// The instant.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// Each file of traits, segment and set.
    pub definitions: Vec<ExplainedDefinition>,
    /// Each table that is scanned, the entity's own first.
    pub scans: Vec<ExplainedScan>,
    /// Everything together.
    pub summary: Summary,
}

/// How a definition is evaluated.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExplainedDefinition {
    /// The name.
    pub name: String,
    /// `traits`, `segment` or `segment_set`.
    pub kind: &'static str,
    /// Whether it shares the scans of others.
    pub fused: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The tables whose scan it shares.
    pub scans: Vec<String>,
    /// What it asks of events.
    pub aggregates: Vec<ExplainedAggregate>,
}

/// An aggregate of events that a definition asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExplainedAggregate {
    /// The event table.
    pub table: String,
    /// The aggregate, as SQL.
    pub aggregate: String,
    /// The first instant of its window; everything before the end without.
    #[schemars(with = "Option<String>")]
    pub from: Option<Timestamp>,
    /// The first instant after its window.
    #[schemars(with = "Option<String>")]
    pub to: Option<Timestamp>,
    /// `incremental`, or `full`.
    pub mode: &'static str,
    /// Why it is computed from all events.
    pub reason: Option<String>,
}

/// The scan of a table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExplainedScan {
    /// The table.
    pub table: String,
    /// The definitions that share it.
    pub definitions: usize,
    /// Distinct aggregates, each over its window.
    pub aggregates: usize,
    /// Those that follow from what the last refresh saved.
    pub incremental: usize,
    /// Files to read.
    pub files: usize,
    /// Rows in them.
    pub rows: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// Everything together.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Summary {
    /// Files of traits, segments and sets.
    pub definitions: usize,
    /// Those that share scans.
    pub fused: usize,
    /// Tables that are scanned for them, the entity's own included.
    pub scans: usize,
    /// Distinct aggregates, each over its window.
    pub aggregates: usize,
    /// Rows to read.
    pub rows: u64,
    /// Bytes of the files to read.
    pub bytes: u64,
}

/// What a refresh of a pipeline's definitions of an entity would do at the session's `as_of`.
///
/// # Errors
/// [`SegmentError`] when a definition cannot be planned, or a table's files are not known.
pub async fn explain(
    definitions: &Definitions,
    entity: &str,
    pipeline: &str,
    lake: &Lake,
    tables: &Tables,
    session: &Session,
) -> Result<Explanation, SegmentError> {
    let scope = Scope::everything(definitions, entity);
    let program = Program::compile(definitions, &scope, session, Sharing::Shared).await?;
    let mut scans = own_scan(definitions, entity, tables, &program)?.into_iter().collect::<Vec<_>>();
    let mut modes: BTreeMap<(&str, usize), Result<(), String>> = BTreeMap::new();
    for (table, scan) in &program.scans {
        let contract =
            definitions.contracts.get(table).ok_or_else(|| SegmentError::Unknown(table.clone()))?;
        let kept = StatePlace { pipeline, entity, table }.about(lake).await;
        let sources = tables.sources(table)?.map(|found| found.sources).unwrap_or_default();
        let changes = Changes::since(kept.as_ref(), scan, contract, sources);
        let (groups, _) = groups_of(&changes.wanted(scan));
        let read: Vec<_> =
            changes.sources.iter().filter(|source| groups.iter().any(|group| group.reads(source))).collect();
        for (number, change) in changes.measures.iter().enumerate() {
            modes.insert((table, number), change.base.as_ref().map(|_| ()).map_err(Clone::clone));
        }
        scans.push(ExplainedScan {
            table: table.clone(),
            definitions: program
                .uses
                .values()
                .filter(|aggregates| {
                    aggregates.iter().any(|&aggregate| program.aggregates[aggregate].table == *table)
                })
                .count(),
            aggregates: scan.measures.len(),
            incremental: changes.measures.iter().filter(|change| change.base.is_ok()).count(),
            files: read.len(),
            rows: read.iter().map(|source| source.source.size().0).sum(),
            bytes: read.iter().map(|source| source.source.size().1).sum(),
        });
    }
    let explained: Vec<ExplainedDefinition> = names(definitions, &scope)
        .map(|(name, kind)| ExplainedDefinition {
            kind,
            fused: program.uses.contains_key(&name),
            reason: reason(&program, &name),
            scans: tables_of(&program, &name),
            aggregates: aggregates(&program, &name, &modes),
            name,
        })
        .collect();
    let summary = Summary {
        definitions: explained.len(),
        fused: explained.iter().filter(|definition| definition.fused).count(),
        scans: scans.len(),
        aggregates: scans.iter().map(|scan| scan.aggregates).sum(),
        rows: scans.iter().map(|scan| scan.rows).sum(),
        bytes: scans.iter().map(|scan| scan.bytes).sum(),
    };
    Ok(Explanation {
        entity: entity.to_owned(),
        as_of: session.as_of(),
        definitions: explained,
        scans,
        summary,
    })
}

fn names<'a>(
    definitions: &'a Definitions,
    scope: &'a Scope,
) -> impl Iterator<Item = (String, &'static str)> + 'a {
    let traits = scope.traits.iter().map(|name| (name.clone(), "traits"));
    let segments =
        scope.segments.iter().filter_map(|name| definitions.segments.get(name)).map(|definition| {
            let kind = match definition.kind {
                crate::SegmentKind::Single => "segment",
                crate::SegmentKind::Set => "segment_set",
            };
            (definition.name.clone(), kind)
        });
    traits.chain(segments)
}

/// The entity's own table, which every refresh reads.
fn own_scan(
    definitions: &Definitions,
    entity: &str,
    tables: &Tables,
    program: &Program,
) -> Result<Option<ExplainedScan>, SegmentError> {
    let Some(contract) = definitions.entity_contract(entity) else { return Ok(None) };
    let sources = tables.sources(&contract.table)?.map(|found| found.sources).unwrap_or_default();
    let sizes: Vec<(u64, u64)> = sources.into_iter().map(|source| source.size()).collect();
    Ok(Some(ExplainedScan {
        table: contract.table.clone(),
        definitions: program.uses.len(),
        aggregates: 0,
        incremental: 0,
        files: sizes.len(),
        rows: sizes.iter().map(|size| size.0).sum(),
        bytes: sizes.iter().map(|size| size.1).sum(),
    }))
}

fn reason(program: &Program, name: &str) -> Option<String> {
    match program.segments.get(name) {
        Some(Compiled::Fallback(reason)) => Some(reason.clone()),
        _ => program.fallback_traits.get(name).cloned(),
    }
}

fn tables_of(program: &Program, name: &str) -> Vec<String> {
    let aggregates = program.uses.get(name).into_iter().flatten();
    let mut tables: Vec<String> =
        aggregates.map(|&aggregate| program.aggregates[aggregate].table.clone()).collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

fn aggregates(
    program: &Program,
    name: &str,
    modes: &BTreeMap<(&str, usize), Result<(), String>>,
) -> Vec<ExplainedAggregate> {
    let mut found = Vec::new();
    for &aggregate in program.uses.get(name).into_iter().flatten() {
        let aggregate = &program.aggregates[aggregate];
        for number in aggregate.formula.measures() {
            let Some(measure) =
                program.scans.get(&aggregate.table).and_then(|scan| scan.measures.get_index(number))
            else {
                continue;
            };
            let Window { from, to } = measure.window;
            let mode = modes.get(&(aggregate.table.as_str(), number)).cloned().unwrap_or(Ok(()));
            let aggregate = ExplainedAggregate {
                table: aggregate.table.clone(),
                aggregate: measure.to_string(),
                from: Timestamp::from_microsecond(from).ok(),
                to: Timestamp::from_microsecond(to).ok(),
                mode: if mode.is_ok() { "incremental" } else { "full" },
                reason: mode.err(),
            };
            if !found.contains(&aggregate) {
                found.push(aggregate);
            }
        }
    }
    found
}
