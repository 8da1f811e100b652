//! Refreshing: definitions are evaluated at an instant, and the results published.

pub(crate) mod backfill;
mod destination;
mod history_policy;
mod publish;
mod report;
mod traits_before;
mod wide_table;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::logical_expr::lit;
use datafusion::prelude::ident;
use futures::future::BoxFuture;
use tranche_schema::platform::segment_history;
use tranche_schema::{History, TableKind, Universe};
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Session, Tables, table_folder};
use tranche_store::Lake;

use crate::definition::definitions::Definitions;
use crate::definition::elsewhere::Elsewhere;
use crate::definition::scope::Scope;
use crate::definition::traits::universe;
use crate::error::SegmentError;
use crate::evaluate::scans::EntityState;
use crate::evaluate::{EvaluationContext, Sharing, evaluate_program};
use crate::history::entries;
use crate::plan::{Program, TraitColumn};
use crate::recomputed::inputs;
use crate::state::{SavedMeasures, StatePlace};
use crate::store::HISTORY_TABLE;
use destination::Destination;
use history_policy::HistoryPolicy;
use publish::{Publication, publish};
pub use report::{RefreshReport, SegmentReport};
use traits_before::with_traits_before;

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
    /// Whether memberships from `as_of` on are rebuilt; else those of later instants stay as they are.
    pub full: bool,
    /// The application transaction of the step.
    pub transaction: &'a str,
    /// What becomes of the others when definitions fail on the data.
    pub on_failure: OnFailure,
    /// What other pipelines of the project define.
    pub elsewhere: &'a Elsewhere,
}

/// What becomes of the other definitions of an entity when some fail on the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Nothing is published.
    #[default]
    Stop,
    /// They are published; what failed, and what needs it, stays as it was.
    Continue,
}

/// Refreshes the segments of a pipeline that `wanted` names, or all of them, and publishes each entity's memberships in one commit.
/// A refresh of all also ends the memberships of segments that the pipeline published before and that are no longer defined.
///
/// # Errors
/// [`SegmentError`]; then nothing was published for the entity at fault. Definitions that fail on the data are no error where the
/// others are to be published: the report names them.
pub fn refresh<'a>(
    definitions: &'a Definitions,
    wanted: Option<&'a [String]>,
    context: &'a RefreshContext<'a>,
) -> BoxFuture<'a, Result<RefreshReport, SegmentError>> {
    // What awaits it is not compiled with all that it awaits.
    Box::pin(refresh_entities(definitions, wanted, context))
}

async fn refresh_entities(
    definitions: &Definitions,
    wanted: Option<&[String]>,
    context: &RefreshContext<'_>,
) -> Result<RefreshReport, SegmentError> {
    let mut report = RefreshReport::default();
    let to = context.destination();
    for entity in definitions.entities() {
        let Evaluated { mut publication, rows_read, new_state, failed } =
            context.evaluate(definitions, entity, wanted).await?;
        report.rows_read += rows_read;
        let without = without(context.transaction, &publication.failed);
        let to = Destination { transaction: &without, ..to };
        report.failed.extend(failed);
        let index = Arc::clone(&publication.index);
        // State is true whatever is published.
        let save = context.save(entity, new_state, &index);
        let (published, ()) = tokio::join!(publish(definitions, wanted, &mut publication, &to), save);
        tracing::debug!(entity, "published");
        report.add(published?);
    }
    if wanted.is_none() {
        for entity in forgotten_entities(definitions, &to).await? {
            let as_of = [context.session.as_of()];
            if let Some(mut ended) = Publication::without_members(context.lake, &entity, &as_of).await? {
                report.add(publish(definitions, wanted, &mut ended, &to).await?);
            }
        }
    }
    Ok(report)
}

/// The transaction of a publication that lacks what failed: once that does not fail, it is another one.
fn without(transaction: &str, failed: &BTreeSet<String>) -> String {
    let failed: Vec<&str> = failed.iter().map(String::as_str).collect();
    if failed.is_empty() {
        transaction.to_owned()
    } else {
        format!("{transaction} without {}", failed.join(", "))
    }
}

/// The evaluation of an entity.
struct Evaluated {
    publication: Publication,
    rows_read: u64,
    /// Each definition that failed, and why.
    failed: Vec<String>,
    /// What may be saved for the next refresh, by table.
    new_state: Vec<(String, SavedMeasures)>,
}

impl RefreshContext<'_> {
    /// Evaluates the definitions of an entity, from what an earlier refresh saved.
    async fn evaluate(
        &self,
        definitions: &Definitions,
        entity: &str,
        wanted: Option<&[String]>,
    ) -> Result<Evaluated, SegmentError> {
        let Self { lake, tables, session, pipeline, full, .. } = *self;
        let scope = match wanted {
            Some(names) => Scope::of(definitions, entity, names, session).await?,
            None => Scope::everything(definitions, entity),
        };
        let state = EntityState::read(lake, pipeline, entity, definitions, full);
        // The universe is read while the definitions are planned.
        let (universe, program) = tokio::join!(
            universe(definitions, entity, session),
            Program::compile(definitions, &scope, session, Sharing::Shared)
        );
        let program = program?;
        let context = EvaluationContext { definitions, scope: &scope, program: &program, tables, session };
        let (mut evaluation, mut new_state) = evaluate_program(&context, universe?, Some(state)).await?;
        tracing::debug!(entity, "evaluated");
        if self.on_failure == OnFailure::Stop {
            evaluation = evaluation.complete()?;
        }
        let failed = std::mem::take(&mut evaluation.failed);
        let is_failed = |column: &&TraitColumn| failed.contains_key(&column.definition);
        let traits =
            program.traits.iter().filter(|(_, column)| is_failed(column)).map(|(name, _)| name.clone());
        let traits: Vec<String> = traits.collect();
        if !traits.is_empty() && wanted.is_none() {
            let of = (entity, evaluation.key.as_str());
            evaluation.traits = with_traits_before(evaluation.traits, of, &traits, lake, session).await?;
        }
        // A refresh of some segments computes only some measures.
        new_state.retain(|_| wanted.is_none());
        let rows_read = evaluation.rows_read;
        let mut publication = Publication::of(evaluation, session.as_of())?;
        publication.copy_of = copied(definitions, entity, tables);
        publication.failed = failed.keys().cloned().collect();
        if wanted.is_none() && failed.is_empty() {
            publication.inputs = inputs(definitions, tables);
        }
        let failed = failed.values().map(ToString::to_string).collect();
        Ok(Evaluated { publication, rows_read, failed, new_state })
    }

    /// Saves the state of an entity's tables.
    async fn save(&self, entity: &str, new_state: Vec<(String, SavedMeasures)>, index: &KeyIndex) {
        for (table, state) in new_state {
            let place = StatePlace { pipeline: self.pipeline, entity, table: &table };
            place.write(self.lake, state, index).await;
        }
        tracing::debug!(entity, "saved");
    }
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
        let policy = if self.full { HistoryPolicy::Rebuilt } else { HistoryPolicy::Grows };
        Destination {
            lake: self.lake,
            session: self.session,
            pipeline: self.pipeline,
            policy,
            transaction: self.transaction,
            elsewhere: self.elsewhere,
        }
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
