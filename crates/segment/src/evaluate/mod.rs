//! Who is in which segment at one `as_of`. Nothing is written.
//!
//! The definitions are compiled into a program over wide rows; each event table that it needs is scanned once, and all segments are
//! truth values of the same rows. What could not be compiled is run as it is, between passes over the rows.

mod as_is;
pub(crate) mod changes;
mod graph;
pub(crate) mod measures;
mod pass;
mod rounds;
pub(crate) mod scans;
mod table;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{cast, concat};
use arrow::datatypes::{Field, Schema};
use indexmap::IndexMap;
use roaring::RoaringBitmap;
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Session, SqlError, Tables};

use crate::definitions::Definitions;
use crate::error::SegmentError;
use crate::plan::Program;
use crate::scope::Scope;
use crate::state::Kept;
use crate::traits::Universe;
use crate::{TRAITS, traits};
use graph::{Graph, WideTypes};
use scans::Memory;
use table::WideTable;

/// The members of every evaluated segment of one entity.
#[derive(Debug)]
pub struct Evaluation {
    /// The entity.
    pub entity: String,
    /// Its key column.
    pub key: String,
    /// The numbers of the entities; those below [`Evaluation::universe`] are in the universe.
    pub index: Arc<KeyIndex>,
    /// How many entities there are.
    pub universe: u32,
    /// The members by segment, `set/label` for those of a set.
    pub segments: IndexMap<String, Members>,
    /// The wide table: one row per entity.
    pub traits: RecordBatch,
    /// Rows that were read from tables.
    pub rows_read: u64,
    /// Bytes of the files that were read by shared scans.
    pub bytes_read: u64,
}

/// The members of a segment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Members {
    /// Their numbers in the index.
    pub entities: RoaringBitmap,
    /// Distinct ids that the definition returned and the universe lacks.
    pub unmatched: u64,
    /// 1 when the definition returned rows without a key, which mean nobody; else 0.
    pub null_keys: u64,
    /// Entities of which the definition's condition is unknown, so that they are not members; where that can be told.
    pub null_predicates: Option<u64>,
}

impl Members {
    /// Members as a share of the universe, in [0, 1].
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn share(&self, universe: u32) -> f64 {
        if universe == 0 { 0.0 } else { self.entities.len() as f64 / f64::from(universe) }
    }
}

/// How definitions are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// Each table is scanned once for all definitions that allow it.
    #[default]
    Shared,
    /// Every definition runs as it is, one by one: what the other way is held against.
    OneByOne,
}

/// Evaluates what is in scope, in a session in which the contracts are registered over the same `tables`.
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
    Ok(evaluate_program(definitions, scope, &program?, universe?, tables, session, None).await?.0)
}

/// Evaluates a program, from what is kept in a memory where there is one; returns what may be kept for the next time.
pub(crate) async fn evaluate_program(
    definitions: &Definitions,
    scope: &Scope,
    program: &Program,
    universe: Universe,
    tables: &Tables,
    session: &Session,
    memory: Option<Memory<'_>>,
) -> Result<(Evaluation, Vec<(String, Kept)>), SegmentError> {
    let (mut table, mut cost) = wide_table(definitions, program, universe, session).await?;
    let scanned = scans::scan(definitions, program, tables, &mut table.index, session, memory).await?;
    cost.rows_read += scanned.cost.rows_read;
    cost.bytes_read += scanned.cost.bytes_read;
    table.measures = scanned.measures;
    Ok((finish(definitions, scope, program, table, session, cost).await?, scanned.kept))
}

/// What was read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) rows_read: u64,
    pub(crate) bytes_read: u64,
}

/// The wide rows with what does not come from shared scans: the entities' own columns, and traits that run as they are.
pub(crate) async fn wide_table(
    definitions: &Definitions,
    program: &Program,
    universe: Universe,
    session: &Session,
) -> Result<(WideTable, Cost), SegmentError> {
    let mut index = KeyIndex::new(universe.rows.column(universe.key).data_type());
    index.insert(universe.rows.column(universe.key))?;
    let mut cost = Cost { rows_read: universe.rows_read, bytes_read: 0 };
    let mut columns = HashMap::new();
    for definition in program.traits_as_is.keys().filter_map(|name| definitions.traits.get(name)) {
        cost.rows_read += as_is::add_traits(definition, definitions, &index, session, &mut columns).await?;
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
        slots: program.slots.iter().cloned().collect(),
        traits: columns,
        members: HashMap::new(),
    };
    Ok((table, cost))
}

/// Everything that follows from the measures.
pub(crate) async fn finish(
    definitions: &Definitions,
    scope: &Scope,
    program: &Program,
    mut table: WideTable,
    session: &Session,
    mut cost: Cost,
) -> Result<Evaluation, SegmentError> {
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
    let mut rounds = rounds::Rounds::new(definitions, program, table, types, session, &batch, key)?;
    rounds.run(scope).await?;
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

/// Whether relations have a row without a key, which is what the last wide row tells.
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
        .map(|(name, _)| (name, crate::plan::WideColumn::Trait(name.clone()).expr()))
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

/// The wide table's name, for those that run as they are.
const WIDE: &str = TRAITS;
