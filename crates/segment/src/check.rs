//! Whether every definition can be planned against the contracts, without reading data.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use indexmap::IndexMap;
use tranche_project::{Position, Problems, SourceFile};
use tranche_sql::{Session, SqlError, segment_relation};

use crate::definitions::{Definitions, SegmentDefinition, SegmentKind};
use crate::{TRAITS, traits};

/// Plans every definition in a session in which the contracts are registered; reports every problem. Returns the wide table's schema of
/// each entity, as far as its traits are sound.
///
/// # Errors
/// [`SqlError`] when the engine itself fails.
pub async fn check(
    definitions: &Definitions,
    session: &Session,
    problems: &mut Problems,
) -> Result<IndexMap<String, SchemaRef>, SqlError> {
    let mut wide = IndexMap::new();
    for entity in definitions.entities() {
        let Some(contract) = definitions.entity_contract(entity) else { continue };
        let mut fields: Vec<Field> = contract.arrow_schema().fields().iter().map(|f| f.as_ref().clone()).collect();
        for definition in definitions.traits.values().filter(|t| t.entity == entity) {
            let key = definitions.key(entity);
            let Some(plan) = planned(session, &definition.file, key, problems).await else { continue };
            fields.extend(traits::check(definition, definitions, &plan, &fields, problems));
        }
        wide.insert(entity.to_owned(), Arc::new(Schema::new(fields)));
    }
    for (entity, schema) in &wide {
        session.register_empty(TRAITS, Arc::clone(schema))?;
        let key = definitions.key(entity).unwrap_or_default().to_owned();
        let key_type = schema.field_with_name(&key).map_or(DataType::Utf8, |f| f.data_type().clone());
        let members = Arc::new(Schema::new(vec![Field::new(&key, key_type, false)]));
        for segment in definitions.segments.values().filter(|s| s.entity == *entity) {
            for (needed, _) in Session::segments_of(segment.file.text(), Some(&key)).unwrap_or_default() {
                session.register_empty(&segment_relation(&needed), Arc::clone(&members))?;
            }
            if let Some(plan) = planned(session, &segment.file, Some(&key), problems).await {
                check_result(segment, definitions, &plan, problems);
            }
        }
    }
    Ok(wide)
}

async fn planned(session: &Session, file: &SourceFile, key: Option<&str>, problems: &mut Problems) -> Option<LogicalPlan> {
    match session.plan(file.text(), key).await {
        Ok(plan) => Some(plan),
        Err(problem) => {
            let mut diagnostic = file.problem(problem.position, problem.message);
            diagnostic.help = problem.help;
            problems.push(diagnostic);
            None
        }
    }
}

fn check_result(segment: &SegmentDefinition, definitions: &Definitions, plan: &LogicalPlan, problems: &mut Problems) {
    let columns = plan.schema().fields();
    let at = |index: usize| Session::projection_positions(segment.file.text()).get(index).copied().unwrap_or(Position::START);
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
        let message = format!("`{}` must return the key `{key}` of `{}`; it returns `{}`", segment.name, segment.entity, first.name());
        problems.push(segment.file.problem(at(0), message).with_help(format!("if that is the key, write `AS {key}`")));
    }
}

/// The entity's key, or a column that a contract says holds it.
pub(crate) fn is_key_name(column: &str, entity: &str, definitions: &Definitions) -> bool {
    definitions.contracts.values().any(|contract| contract.entity_column(entity) == Some(column))
}
