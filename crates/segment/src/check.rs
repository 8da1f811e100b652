//! Whether every definition can be planned against the contracts, without reading data.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use tranche_project::{Position, Problems, SourceFile};
use tranche_schema::Contract;
use tranche_sql::{Session, SqlError, segment_relation};

use crate::definitions::{Definitions, SegmentDefinition, SegmentKind};
use crate::{TRAITS, traits};

/// Plans every definition in a session in which the contracts are registered; reports every problem.
///
/// # Errors
/// [`SqlError`] when the engine itself fails.
pub async fn check(
    definitions: &Definitions,
    session: &Session,
    problems: &mut Problems,
) -> Result<(), SqlError> {
    for entity in
        definitions.entities().into_iter().filter(|entity| definitions.entity_contract(entity).is_some())
    {
        let mut of_traits = Problems::default();
        let (schema, _) = wide_schema(definitions, entity, session, &mut of_traits).await?;
        let broken: Vec<&SourceFile> = definitions
            .traits
            .values()
            .map(|t| &t.file)
            .filter(|file| of_traits.iter().any(|p| p.file == file.path()))
            .collect();
        session.register_empty(TRAITS, Arc::clone(&schema))?;
        for segment in definitions.segments.values().filter(|s| s.entity == entity) {
            let mut own = Problems::default();
            if let Some(plan) = plan_segment(segment, definitions, &schema, session, &mut own).await? {
                check_result(segment, definitions, &plan, &mut own);
            }
            // A trait that cannot be planned is the mistake, not a segment that misses it.
            let missing = |message: &str| {
                message
                    .strip_prefix("there is no column `")
                    .and_then(|rest| rest.split('`').next())
                    .map(str::to_owned)
            };
            let misses_broken = |message: &str| {
                missing(message).is_some_and(|name| broken.iter().any(|file| file.text().contains(&name)))
            };
            problems.extend(own.without(|problem| misses_broken(&problem.message)));
        }
        problems.extend(of_traits);
        // The traits of one entity are not the traits of another.
        session.deregister(TRAITS)?;
    }
    Ok(())
}

/// The schema of an entity's wide table, as far as its traits are sound, and which traits each of their columns comes from.
pub(crate) async fn wide_schema(
    definitions: &Definitions,
    entity: &str,
    session: &Session,
    problems: &mut Problems,
) -> Result<(SchemaRef, Vec<(String, String)>), SqlError> {
    let own = definitions
        .entity_contract(entity)
        .map(Contract::arrow_schema)
        .unwrap_or_else(|| Arc::new(Schema::empty()));
    let mut fields: Vec<Field> = own.fields().iter().map(|f| f.as_ref().clone()).collect();
    let mut owners = Vec::new();
    for definition in definitions.traits.values().filter(|t| t.entity == entity) {
        let Some(plan) = planned(session, &definition.file, definitions.key(entity), problems).await else {
            continue;
        };
        let found = traits::check(definition, definitions, &plan, &fields, problems);
        owners.extend(found.iter().map(|field| (field.name().clone(), definition.name.clone())));
        fields.extend(found);
    }
    Ok((Arc::new(Schema::new(fields)), owners))
}

/// Plans a segment where the wide table is registered; the segments that it refers to are empty.
pub(crate) async fn plan_segment(
    segment: &SegmentDefinition,
    definitions: &Definitions,
    wide: &SchemaRef,
    session: &Session,
    problems: &mut Problems,
) -> Result<Option<LogicalPlan>, SqlError> {
    let key = definitions.key(&segment.entity).unwrap_or_default();
    let key_type = wide.field_with_name(key).map_or(DataType::Utf8, |f| f.data_type().clone());
    let members = Arc::new(Schema::new(vec![Field::new(key, key_type, false)]));
    for (needed, _) in Session::segments_of(segment.file.text(), Some(key)).unwrap_or_default() {
        session.register_empty(&segment_relation(&needed), Arc::clone(&members))?;
    }
    Ok(planned(session, &segment.file, Some(key), problems).await)
}

async fn planned(
    session: &Session,
    file: &SourceFile,
    key: Option<&str>,
    problems: &mut Problems,
) -> Option<LogicalPlan> {
    if let Ok(plan) = session.plan(file.text(), key).await {
        return Some(plan);
    }
    for problem in session.mistakes(file.text(), key).await {
        let mut diagnostic = file.problem(problem.position, problem.message);
        diagnostic.help = problem.help;
        problems.push(diagnostic);
    }
    None
}

fn check_result(
    segment: &SegmentDefinition,
    definitions: &Definitions,
    plan: &LogicalPlan,
    problems: &mut Problems,
) {
    let columns = plan.schema().fields();
    let positions = Session::projection_positions(segment.file.text());
    let at = |index: usize| positions.get(index).or(positions.last()).copied().unwrap_or(Position::START);
    let key = definitions.key(&segment.entity).unwrap_or_default();
    let (wanted, shape) = match segment.kind {
        SegmentKind::Single => (1, format!("the key, `SELECT {key} ...`")),
        SegmentKind::Set => (2, format!("the key and a label, `SELECT {key}, <label> ...`")),
    };
    if columns.len() != wanted {
        let message = format!("`{}` must return {shape}; it returns {} columns", segment.name, columns.len());
        return problems.report(&segment.file, at(wanted.min(columns.len().saturating_sub(1))), message);
    }
    if let Some(first) = columns.first()
        && !is_key_name(first.name(), &segment.entity, definitions)
    {
        let message = format!(
            "`{}` must return the key `{key}` of `{}`; it returns `{}`",
            segment.name,
            segment.entity,
            first.name()
        );
        problems.push(
            segment.file.problem(at(0), message).with_help(format!("if that is the key, write `AS {key}`")),
        );
    }
}

/// The entity's key, or a column that a contract says holds it.
pub(crate) fn is_key_name(column: &str, entity: &str, definitions: &Definitions) -> bool {
    definitions.contracts.values().any(|contract| contract.entity_column(entity) == Some(column))
}
