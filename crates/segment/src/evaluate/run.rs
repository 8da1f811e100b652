//! From a program to who is in which segment: the wide rows, the scans, and what follows from them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{cast, concat};
use arrow::datatypes::{Field, Schema};
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Session, SqlError, Tables};

use super::evaluation::{Cost, Evaluation, EvaluationContext};
use super::graph::{Graph, WideTypes};
use super::rounds::Rounds;
use super::scans::{EntityState, scan};
use super::wide_table::WideTable;
use super::{fallback, pass};
use crate::definition::definitions::Definitions;
use crate::definition::scope::Scope;
use crate::definition::traits::{self, Universe};
use crate::error::SegmentError;
use crate::plan::{Program, Sharing, WideColumn};
use crate::state::SavedMeasures;

/// Evaluates the definitions in scope, in a session in which the contracts are registered over the same `tables`.
///
/// # Errors
/// [`SegmentError`] with the definition at fault.
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
    Ok(evaluate_program(&context, universe?, None).await?.0)
}

/// Evaluates a program, from the state of its entity where that is given; returns what may be saved for the next time, by table.
pub(crate) async fn evaluate_program(
    context: &EvaluationContext<'_>,
    universe: Universe,
    state: Option<EntityState<'_>>,
) -> Result<(Evaluation, Vec<(String, SavedMeasures)>), SegmentError> {
    let (mut table, mut cost) = wide_table(context, universe).await?;
    let scanned = scan(context, &mut table.index, state).await?;
    cost.add(scanned.cost);
    table.measures = scanned.measures;
    Ok((finish(context, table, cost).await?, scanned.new_state))
}

/// The wide rows with what does not come from shared scans: the entities' own columns, and traits that run as they are.
async fn wide_table(
    context: &EvaluationContext<'_>,
    universe: Universe,
) -> Result<(WideTable, Cost), SegmentError> {
    let EvaluationContext { definitions, program, session, .. } = *context;
    let mut index = KeyIndex::new(universe.rows.column(universe.key).data_type());
    index.insert(universe.rows.column(universe.key))?;
    let mut cost = Cost { rows_read: universe.rows_read, bytes_read: 0 };
    let mut columns = HashMap::new();
    for definition in program.fallback_traits.keys().filter_map(|name| definitions.traits.get(name)) {
        cost.rows_read += fallback::add_traits(definition, &index, session, &mut columns).await?;
    }
    for (name, values) in &mut columns {
        if let Some(column) = program.traits.get(name) {
            *values = cast(values, &column.data_type).map_err(SqlError::from)?;
        }
    }
    let table = WideTable {
        universe: index.len(),
        declared: universe.declared,
        index: Arc::new(index),
        own: universe.rows,
        measures: HashMap::new(),
        aggregates: program.aggregates.iter().cloned().collect(),
        traits: columns,
        members: HashMap::new(),
    };
    Ok((table, cost))
}

/// Everything that follows from the measures.
async fn finish(
    context: &EvaluationContext<'_>,
    mut table: WideTable,
    mut cost: Cost,
) -> Result<Evaluation, SegmentError> {
    let EvaluationContext { definitions, scope, program, session, .. } = *context;
    let key = definitions.key(&scope.entity).ok_or_else(|| SegmentError::Unknown(scope.entity.clone()))?;
    let rows = table.rows();
    for values in table.measures.values_mut().flatten().filter(|values| values.len() < rows) {
        Arc::make_mut(values).grow(rows);
    }
    for column in table.traits.values_mut() {
        *column = with_rows(column, rows)?;
    }
    let mut types = WideTypes {
        own: table.own.schema(),
        key: table.index.data_type().clone(),
        computed_traits: table.traits.keys().cloned().collect(),
        known_members: Vec::new(),
        null_keys: Vec::new(),
    };
    add_null_keys(program, &mut types, &table, session)?;
    let mut table = Arc::new(table);
    add_traits(program, &mut types, &mut table, session).await?;
    let batch = traits_batch(program, &table)?;
    let mut rounds = Rounds::new(context, table, types, &batch, key)?;
    rounds.run().await?;
    cost.rows_read += rounds.rows_read;
    let (segments, table) = rounds.into_parts();
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
        let value = pass::evaluate(table, &graph.operations, &[node], last..last + 1)?.remove(0);
        let holds = pass::certain(arrow::array::AsArray::as_boolean(&value)).value(0);
        types.null_keys.push(holds);
    }
    Ok(())
}

/// Computes the traits that are expressions over the wide row.
async fn add_traits(
    program: &Program,
    types: &mut WideTypes,
    table: &mut Arc<WideTable>,
    session: &Session,
) -> Result<(), SegmentError> {
    let fused: Vec<(&String, datafusion::logical_expr::Expr)> = program
        .traits
        .iter()
        .filter(|(_, column)| column.value.is_some())
        .map(|(name, _)| (name, WideColumn::Trait(name.clone()).expr()))
        .collect();
    if fused.is_empty() {
        return Ok(());
    }
    let mut graph = Graph::new(program, session, types);
    let wanted = fused.iter().map(|(_, expr)| graph.add(expr)).collect::<Result<Vec<_>, _>>()?;
    let operations = Arc::new(graph.operations);
    let ranges = pass::pass(table, &operations, &Arc::new(wanted), session.threads()).await?;
    let mut columns = Vec::new();
    for (place, (name, _)) in fused.iter().enumerate() {
        let parts: Vec<&dyn Array> = ranges.iter().map(|values| values[place].as_ref()).collect();
        columns.push(((*name).clone(), concat(&parts).map_err(SqlError::from)?));
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
