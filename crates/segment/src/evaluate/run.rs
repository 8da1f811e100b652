//! From a program to who is in which segment: the wide rows, the scans, and what follows from them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat};
use arrow::datatypes::{Field, Schema};
use tranche_sql::by_row::certain;
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Session, SqlError, Tables};

use super::evaluation::{Cost, Evaluation, EvaluationContext, Failed};
use super::graph::{Graph, WideTypes};
use super::rounds::Rounds;
use super::scans::{EntityState, scan};
use super::wide_table::WideTable;
use super::{fallback, pass};
use crate::definition::definitions::Definitions;
use crate::definition::scope::Scope;
use crate::definition::traits::{self, Universe};
use crate::error::SegmentError;
use crate::plan::{Program, Sharing, TraitColumn, WideColumn};
use crate::state::SavedMeasures;

/// Evaluates the definitions in scope, in a session in which the contracts are registered over the same `tables`.
///
/// # Errors
/// [`SegmentError`] with the definitions at fault.
pub async fn evaluate(
    definitions: &Definitions,
    scope: &Scope,
    tables: &Tables,
    session: &Session,
    sharing: Sharing,
) -> Result<Evaluation, SegmentError> {
    let universe = traits::universe(definitions, &scope.entity, session);
    let (universe, program) = tokio::join!(universe, Program::compile(definitions, scope, session, sharing));
    let context = EvaluationContext { definitions, scope, program: &program?, tables, session };
    evaluate_program(&context, universe?, None).await?.0.complete()
}

/// Evaluates a program, from the state of its entity where that is given; returns what may be saved for the next time, by table.
/// Definitions that fail on the data, and those that need them, are said to have failed; the others are evaluated.
pub(crate) async fn evaluate_program(
    context: &EvaluationContext<'_>,
    universe: Universe,
    state: Option<EntityState<'_>>,
) -> Result<(Evaluation, Vec<(String, SavedMeasures)>), SegmentError> {
    let (mut table, mut cost, failed) = wide_table(context, universe).await?;
    let scanned = scan(context, &mut table.index, state).await?;
    cost.add(scanned.cost);
    (table.measures, table.failed) = (scanned.measures, scanned.failed);
    Ok((finish(context, table, cost, failed).await?, scanned.new_state))
}

/// The wide rows with what does not come from shared scans: the entities' own columns, and traits that run as they are.
async fn wide_table(
    context: &EvaluationContext<'_>,
    universe: Universe,
) -> Result<(WideTable, Cost, Failed), SegmentError> {
    let EvaluationContext { definitions, scope, program, session, .. } = *context;
    let mut failed = Failed::new();
    let mut index = KeyIndex::new(universe.rows.column(universe.key).data_type());
    index.insert(universe.rows.column(universe.key))?;
    let mut cost = Cost { rows_read: universe.rows_read, bytes_read: 0 };
    let mut columns = HashMap::new();
    for definition in program.fallback_traits.keys().filter_map(|name| definitions.traits.get(name)) {
        match fallback::add_traits(definition, &index, session, &mut columns).await {
            Ok(rows_read) => cost.rows_read += rows_read,
            Err(error) if error.is_of_a_definition() => {
                let own = program.traits.iter().filter(|(_, column)| column.definition == definition.name);
                columns.extend(own.map(|(name, column)| (name.clone(), column.nulls(index.len() as usize))));
                failed.insert(definition.name.clone(), error);
            }
            Err(error) => return Err(error),
        }
    }
    for (name, values) in &mut columns {
        if let Some(column) = program.traits.get(name) {
            *values = cast(values, &column.data_type).map_err(SqlError::from)?;
        }
    }
    let table = WideTable {
        entity: scope.entity.clone(),
        key: universe.rows.schema().field(universe.key).name().clone(),
        universe: index.len(),
        declared: universe.declared,
        index: Arc::new(index),
        own: universe.rows,
        measures: HashMap::new(),
        failed: HashMap::new(),
        aggregates: program.aggregates.iter().cloned().collect(),
        traits: columns,
        members: HashMap::new(),
        personal: Arc::clone(session.personal()),
    };
    Ok((table, cost, failed))
}

/// Everything that follows from the measures.
async fn finish(
    context: &EvaluationContext<'_>,
    mut table: WideTable,
    mut cost: Cost,
    mut failed: Failed,
) -> Result<Evaluation, SegmentError> {
    let EvaluationContext { definitions, scope, program, session, .. } = *context;
    let key = definitions.key(&scope.entity).ok_or_else(|| SegmentError::Unknown(scope.entity.clone()))?;
    let rows = table.rows();
    table.grow();
    for column in table.traits.values_mut() {
        *column = with_rows(column, rows)?;
    }
    let mut types = WideTypes {
        own: table.own.schema(),
        key: (key.to_owned(), table.index.data_type().clone()),
        computed_traits: table.traits.keys().cloned().collect(),
        known_members: Vec::new(),
        null_keys: Vec::new(),
    };
    add_null_keys(program, &mut types, &table, session)?;
    let mut table = Arc::new(table);
    add_traits(context, &mut types, &mut table, &mut failed).await?;
    let batch = traits_batch(program, &table)?;
    let mut rounds = Rounds::new(context, (table, types), &batch, key, failed)?;
    rounds.run().await?;
    cost.rows_read += rounds.rows_read;
    let (segments, table, failed) = rounds.into_parts();
    let universe = table.universe;
    let index =
        Arc::try_unwrap(table).map(|table| table.index).unwrap_or_else(|shared| Arc::clone(&shared.index));
    Ok(Evaluation {
        entity: scope.entity.clone(),
        key: key.to_owned(),
        index,
        universe,
        segments,
        traits: batch,
        failed,
        rows_read: cost.rows_read,
        bytes_read: cost.bytes_read,
    })
}

/// A column with nulls for further rows.
fn with_rows(column: &ArrayRef, rows: usize) -> Result<ArrayRef, SqlError> {
    let rest = arrow::array::new_null_array(column.data_type(), rows - column.len());
    Ok(concat(&[column, &rest])?)
}

/// Whether relations have a row without a key, from the last wide row.
fn add_null_keys(
    program: &Program,
    types: &mut WideTypes,
    table: &WideTable,
    session: &Session,
) -> Result<(), SqlError> {
    let last = table.rows() - 1;
    for expr in &program.null_keys {
        let mut graph = Graph::new(program, session, types);
        let node = graph.add(expr)?;
        // Where that fails, so does what asks for it: the relation is part of the same expression.
        let found = pass::evaluate(table, &graph.operations, &[node], last..last + 1)?.remove(0);
        types.null_keys.push(certain(found.values.as_boolean()).value(0));
    }
    Ok(())
}

/// Computes the traits that are expressions over the wide row. Those of a file that fails are null.
async fn add_traits(
    context: &EvaluationContext<'_>,
    types: &mut WideTypes,
    table: &mut Arc<WideTable>,
    failed: &mut Failed,
) -> Result<(), SegmentError> {
    let EvaluationContext { program, session, .. } = *context;
    let fused: Vec<(&String, &TraitColumn)> =
        program.traits.iter().filter(|(_, column)| column.value.is_some()).collect();
    if fused.is_empty() {
        return Ok(());
    }
    let mut graph = Graph::new(program, session, types);
    let wanted = fused.iter().map(|(name, _)| graph.add(&WideColumn::Trait((*name).clone()).expr()));
    let wanted = Arc::new(wanted.collect::<Result<Vec<_>, _>>()?);
    let operations = Arc::new(graph.operations);
    let ranges = pass::pass(table, &operations, &wanted, session.threads()).await?;
    for (place, (_, column)) in fused.iter().enumerate() {
        let name = &column.definition;
        if let Some(failure) = ranges.iter().find_map(|found| found[place].failure.clone()) {
            failed.entry(name.clone()).or_insert_with(|| SegmentError::of_row(name, failure));
        }
    }
    let mut columns = Vec::new();
    for (place, (name, column)) in fused.iter().enumerate() {
        let parts: Vec<&dyn Array> = ranges.iter().map(|found| found[place].values.as_ref()).collect();
        let values = match failed.contains_key(&column.definition) {
            true => column.nulls(table.rows()),
            false => concat(&parts).map_err(SqlError::from)?,
        };
        columns.push(((*name).clone(), values));
    }
    types.computed_traits.extend(columns.iter().map(|(name, _)| name.clone()));
    let Some(table) = Arc::get_mut(table) else {
        return Err(SqlError::Engine("a pass has not ended".to_owned()).into());
    };
    table.traits.extend(columns);
    Ok(())
}

/// The wide table of the universe: the entities' own columns and the traits.
fn traits_batch(program: &Program, table: &WideTable) -> Result<RecordBatch, SqlError> {
    let universe = table.universe as usize;
    let mut fields: Vec<Field> = table.own.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    let mut columns = table.own.columns().to_vec();
    for (name, column) in &program.traits {
        let Some(values) = table.traits.get(name) else { continue };
        fields.push(Field::new(name, column.data_type.clone(), true));
        columns.push(values.slice(0, universe));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
