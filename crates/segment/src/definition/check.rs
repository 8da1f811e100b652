//! Whether every definition can be planned against the contracts, without reading data.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use tranche_project::{Diagnostic, Position, Problems, SourceFile};
use tranche_schema::Contract;
use tranche_sql::{MissingName, Session, SqlError, SqlProblem, dialect, names};

use super::in_segment::{InSegment, Reference, members_relation, references};
use super::personal::PersonalData;
use super::traits;
use crate::TRAITS;
use crate::definition::definitions::Definitions;
use crate::definition::validated::{SegmentDefinition, SegmentKind};

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
        let personal = PersonalData::of(definitions, entity, session).await;
        for segment in definitions.segments.values().filter(|s| s.entity == entity) {
            match plan_segment(segment, definitions, &schema, session).await? {
                Ok(plan) => check_result((segment, definitions), &plan, &personal, problems),
                Err(mistakes) => {
                    // A trait that cannot be planned is the mistake, not a segment that misses it.
                    let own = mistakes.into_iter().filter(|problem| !misses_a_column(problem, &broken));
                    own.for_each(|problem| problems.push(diagnostic(&segment.file, problem)));
                }
            }
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
        let plan = match planned(session, &definition.file, InSegment::InTraits).await {
            Ok(plan) => plan,
            Err(mistakes) => {
                mistakes.into_iter().for_each(|problem| problems.push(diagnostic(&definition.file, problem)));
                continue;
            }
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
) -> Result<Result<LogicalPlan, Vec<SqlProblem>>, SqlError> {
    let key = definitions.key(&segment.entity).unwrap_or_default();
    let key_type = wide.field_with_name(key).map_or(DataType::Utf8, |f| f.data_type().clone());
    let members = Arc::new(Schema::new(vec![Field::new(key, key_type, false)]));
    for Reference { segment: needed, .. } in references(segment.file.text()) {
        session.register_empty(&members_relation(&needed), Arc::clone(&members))?;
    }
    Ok(planned(session, &segment.file, InSegment::OfKey(key)).await)
}

/// Plans a definition; where it cannot be planned, all of its mistakes.
async fn planned(
    session: &Session,
    file: &SourceFile,
    place: InSegment<'_>,
) -> Result<LogicalPlan, Vec<SqlProblem>> {
    match session.plan(file.text(), &place).await {
        Ok(plan) => Ok(plan),
        Err(_) => Err(session.mistakes(file.text(), &place).await),
    }
}

/// Whether a column is missing that one of these files of traits would have.
fn misses_a_column(problem: &SqlProblem, broken: &[&SourceFile]) -> bool {
    match problem.missing.as_deref() {
        Some(MissingName::Column(name)) => broken.iter().any(|file| file.text().contains(name.as_str())),
        _ => false,
    }
}

fn diagnostic(file: &SourceFile, problem: SqlProblem) -> Diagnostic {
    let diagnostic = file.problem(problem.position, problem.message).with_help_if(problem.help);
    match problem.missing.map(|name| *name) {
        Some(MissingName::Table(table)) => diagnostic.with_missing_table(table),
        _ => diagnostic,
    }
}

fn check_result(
    (segment, definitions): (&SegmentDefinition, &Definitions),
    plan: &LogicalPlan,
    personal: &PersonalData,
    problems: &mut Problems,
) {
    let columns = plan.schema().fields();
    let positions = dialect::projection_positions(segment.file.text());
    let at = |index: usize| positions.get(index).or(positions.last()).copied().unwrap_or(Position::START);
    let key = definitions.key(&segment.entity).unwrap_or_default();
    let written = names::as_written(key);
    let (wanted, shape) = match segment.kind {
        SegmentKind::Single => (1, format!("the key, `SELECT {written} ...`")),
        SegmentKind::Set => (2, format!("the key and a label, `SELECT {written}, <label> ...`")),
    };
    if columns.len() != wanted {
        let message = format!("`{}` must return {shape}; it returns {} columns", segment.name, columns.len());
        return problems.report(&segment.file, at(wanted.min(columns.len().saturating_sub(1))), message);
    }
    if segment.kind == SegmentKind::Set {
        personal.check_label(segment, plan, at(1), problems);
    }
    if let Some(first) = columns.first()
        && !definitions.is_key_name(first.name(), &segment.entity)
    {
        let message = format!(
            "`{}` must return the key `{key}` of `{}`; it returns `{}`",
            segment.name,
            segment.entity,
            first.name()
        );
        problems.push(
            segment
                .file
                .problem(at(0), message)
                .with_help(format!("if that is the key, write `AS {written}`")),
        );
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
