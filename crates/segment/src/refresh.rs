//! Refreshing: what is defined is evaluated at an instant, and published.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::logical_expr::lit;
use datafusion::prelude::ident;
use schemars::JsonSchema;
use serde::Serialize;
use tranche_schema::platform::segment_history;
use tranche_schema::{History, TableKind, Universe};
use tranche_sql::{Session, Tables, table_folder};
use tranche_store::Lake;

use crate::definitions::Definitions;
use crate::error::SegmentError;
use crate::evaluate::scans::Memory;
use crate::evaluate::{Sharing, evaluate_program};
use crate::history::entries;
use crate::past::Past;
use crate::plan::Program;
use crate::publish::{Destination, Publication, publish};
use crate::scope::Scope;
use crate::state::StatePlace;
use crate::store::HISTORY_TABLE;
use crate::traits::universe;

/// What a refresh works with.
pub struct RefreshContext<'a> {
    /// Where tables are.
    pub lake: &'a Lake,
    /// The tables of the contracts.
    pub tables: &'a Tables,
    /// The engine at the `as_of`, with the contracts registered.
    pub session: &'a Session,
    /// The pipeline.
    pub pipeline: &'a str,
    /// Whether memberships from `as_of` on are rebuilt.
    pub full: bool,
    /// The application transaction of the step.
    pub transaction: &'a str,
}

/// What a refresh did to one segment; of a backfill, all of its instants together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SegmentReport {
    /// The segment.
    pub segment: String,
    /// The segmented entity.
    pub entity: String,
    /// Its members, at the last instant.
    pub size: u64,
    /// Members that the refresh before did not have, summed over the instants.
    pub entered: u64,
    /// Members of the refresh before that are no longer, summed over the instants.
    pub exited: u64,
    /// Ids that the definition returned and the universe lacks.
    pub unmatched: u64,
    /// Rows whose key was null, so that nobody is meant.
    pub null_keys: u64,
    /// Rows for which the definition's predicate was null, where it is known.
    pub null_predicates: Option<u64>,
}

/// What a refresh did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RefreshReport {
    /// Each segment, in the order of the definitions.
    pub segments: Vec<SegmentReport>,
    /// Rows that were read from tables.
    pub rows_read: u64,
    /// Memberships that began or ended.
    pub rows_written: u64,
}

/// Refreshes the segments of a pipeline that `wanted` names, or all of them, and publishes each entity's memberships in one commit.
/// A refresh of all also ends the memberships of segments that the pipeline published before and that are no longer defined.
///
/// # Errors
/// [`SegmentError`]; then nothing was published for the entity at fault.
pub async fn refresh(
    definitions: &Definitions,
    wanted: Option<&[String]>,
    context: &RefreshContext<'_>,
) -> Result<RefreshReport, SegmentError> {
    let mut report = RefreshReport::default();
    let as_of = context.session.as_of();
    let to = context.destination();
    for entity in definitions.entities() {
        let scope = match wanted {
            Some(names) => Scope::of(definitions, entity, names, context.session).await?,
            None => Scope::everything(definitions, entity),
        };
        let memory = Memory::read(context.lake, context.pipeline, entity, definitions, context.full);
        // Who there is, is read while the definitions are planned.
        let universe = universe(definitions, entity, context.session);
        let (universe, program) =
            tokio::join!(universe, Program::compile(definitions, &scope, context.session, Sharing::Shared));
        let program = program?;
        let (evaluation, kept) = evaluate_program(
            definitions,
            &scope,
            &program,
            universe?,
            context.tables,
            context.session,
            Some(memory),
        )
        .await?;
        tracing::debug!(entity, "evaluated");
        report.rows_read += evaluation.rows_read;
        let index = Arc::clone(&evaluation.index);
        let mut publication = Publication::of(evaluation, as_of)?;
        publication.copy_of = copied(definitions, entity, context.tables);
        // What is kept is true whatever is published. A refresh of some segments knows only some measures.
        let keep = async {
            for (table, kept) in kept.into_iter().filter(|_| wanted.is_none()) {
                let place = StatePlace { pipeline: context.pipeline, entity, table: &table };
                place.write(context.lake, kept, &index).await?;
            }
            tracing::debug!(entity, "kept");
            Ok::<_, SegmentError>(())
        };
        let (published, kept) = tokio::join!(publish(definitions, wanted, &mut publication, &to), keep);
        tracing::debug!(entity, "published");
        report.add(published?);
        kept?;
    }
    if wanted.is_none() {
        for entity in forgotten_entities(definitions, &to).await? {
            let Some(mut nobody) = Publication::of_nobody(context.lake, &entity, &[as_of]).await? else {
                continue;
            };
            report.add(publish(definitions, wanted, &mut nobody, &to).await?);
        }
    }
    Ok(report)
}

/// The version of an entity's own table, where the wide table is a copy of it whatever the instant.
fn copied(definitions: &Definitions, entity: &str, tables: &Tables) -> Option<u64> {
    let contract = definitions.entity_contract(entity)?;
    let is_latest = matches!(contract.kind, TableKind::Entity { history: History::Latest, .. });
    let has_traits = definitions.traits.values().any(|traits| traits.entity == entity);
    let is_copy = is_latest && !has_traits && definitions.universe(entity) == Universe::Declared;
    let version =
        tables.versions().into_iter().find(|version| version.table == table_folder(&contract.table));
    version.filter(|_| is_copy).map(|version| version.version)
}

impl<'a> RefreshContext<'a> {
    pub(crate) fn destination(&self) -> Destination<'a> {
        let past = if self.full { Past::Rebuilt } else { Past::Grows };
        Destination {
            lake: self.lake,
            session: self.session,
            pipeline: self.pipeline,
            past,
            transaction: self.transaction,
        }
    }
}

impl RefreshReport {
    fn add(&mut self, published: Vec<SegmentReport>) {
        self.rows_written += published.iter().map(|segment| segment.entered + segment.exited).sum::<u64>();
        self.segments.extend(published);
    }
}

/// Entities that the pipeline has published segments of, and that nothing is defined for any more.
pub(crate) async fn forgotten_entities(
    definitions: &Definitions,
    of: &Destination<'_>,
) -> Result<BTreeSet<String>, SegmentError> {
    let Some(history) = of.lake.snapshot(HISTORY_TABLE).await? else { return Ok(BTreeSet::new()) };
    let own = ident(segment_history::PIPELINE).eq(lit(of.pipeline));
    let all = entries(&history, of.session, Some(own)).await?;
    let defined = definitions.entities();
    let named = all.into_iter().map(|entry| entry.row.entity);
    Ok(named.filter(|entity| !defined.contains(&entity.as_str())).collect())
}
