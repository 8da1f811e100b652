//! What is asked of the rows of a table: distinct conditions and values, each evaluated once a batch.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;
use tranche_schema::Contract;

use crate::fallible::can_fail;
use crate::{PersonalColumns, Session, SqlError};

/// A condition and a value of a row; over the columns of the contract, unqualified.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowQuery {
    /// All of these hold for a row that counts.
    pub predicate: Vec<Expr>,
    /// The value of a row.
    pub value: Option<Expr>,
}

impl RowQuery {
    /// Every expression.
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.value.iter().chain(&self.predicate)
    }
}

/// The expressions of all queries, over the columns of a scan.
pub(super) struct Expressions {
    /// The table, and the columns that say which of its rows one is.
    pub(super) table: String,
    pub(super) keys: Vec<String>,
    /// Those of its columns that hold personal data.
    pub(super) personal: PersonalColumns,
    /// Single conditions.
    pub(super) conditions: Vec<Condition>,
    /// Conjunctions of conditions.
    pub(super) predicates: Vec<Vec<usize>>,
    pub(super) values: Vec<Planned>,
    /// Of each query.
    pub(super) uses: Vec<Uses>,
}

/// An expression as it was asked for, and as it is evaluated.
pub(super) struct Planned {
    pub(super) asked: Expr,
    pub(super) expr: Arc<dyn PhysicalExpr>,
}

/// A condition, planned over the whole schema or over the one column that it is about.
pub(super) enum Condition {
    OfRow(Planned),
    OfColumn { column: String, field: Arc<Schema>, planned: Planned },
}

/// The expressions of one query, by number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uses {
    pub(super) predicate: Option<usize>,
    pub(super) value: Option<usize>,
}

impl Expressions {
    /// Plans queries over the columns of a schema.
    pub(super) fn plan(
        queries: &[RowQuery],
        contract: &Contract,
        session: &Session,
        schema: &DFSchema,
    ) -> Result<Self, SqlError> {
        let (mut conditions, mut predicates, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut uses = Vec::new();
        for query in queries {
            let value = query.value.as_ref().map(|expr| position(&mut values, expr.clone()));
            let mut conjuncts: Vec<usize> = query
                .predicate
                .iter()
                .map(|condition| position(&mut conditions, condition.clone()))
                .collect();
            conjuncts.sort_unstable();
            let predicate = (!conjuncts.is_empty()).then(|| position(&mut predicates, conjuncts));
            uses.push(Uses { predicate, value });
        }
        let planned = |asked: Expr, schema: &DFSchema| -> Result<Planned, SqlError> {
            let expr = session.physical_expression(asked.clone(), schema).map_err(SqlError::engine)?;
            Ok(Planned { asked, expr })
        };
        let condition = |expr: Expr| -> Result<Condition, SqlError> {
            let Some(column) = text_column(&expr, schema.as_arrow()) else {
                return planned(expr, schema).map(Condition::OfRow);
            };
            let field = Arc::new(Schema::new(vec![Field::new(&column, DataType::Utf8, true)]));
            let of_column = DFSchema::try_from(Arc::clone(&field)).map_err(SqlError::engine)?;
            Ok(Condition::OfColumn { column, field, planned: planned(expr, &of_column)? })
        };
        let conditions = conditions.into_iter().map(condition).collect::<Result<Vec<_>, _>>()?;
        let values = values.into_iter().map(|value| planned(value, schema));
        Ok(Self {
            table: contract.table.clone(),
            keys: contract.key.clone(),
            personal: PersonalColumns::of([contract]),
            conditions,
            predicates,
            values: values.collect::<Result<Vec<_>, _>>()?,
            uses,
        })
    }
}

/// Whether a query may fail for some rows of a contract's table.
pub(super) fn may_fail(query: &RowQuery, contract: &Contract) -> bool {
    let Ok(schema) = DFSchema::try_from(contract.arrow_schema()) else { return true };
    query.exprs().any(|expr| can_fail(expr, &schema))
}

/// The text column that a condition is about, if that is all.
fn text_column(condition: &Expr, schema: &Schema) -> Option<String> {
    let columns = condition.column_refs();
    let column = columns.iter().next().filter(|_| columns.len() == 1)?;
    is_text(schema.field_with_name(&column.name).ok()?.data_type()).then(|| column.name.clone())
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The text columns that nothing but conditions on them alone needs: those are evaluated on distinct values.
pub(super) fn only_in_conditions(queries: &[RowQuery], schema: &Schema) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    let mut alone: Vec<String> = Vec::new();
    for query in queries {
        let columns = query.value.iter().flat_map(Expr::column_refs);
        whole.extend(columns.map(|column| column.name.clone()));
        for condition in &query.predicate {
            match text_column(condition, schema) {
                Some(column) => alone.push(column),
                None => whole.extend(condition.column_refs().into_iter().map(|column| column.name.clone())),
            }
        }
    }
    alone.sort_unstable();
    alone.dedup();
    alone.retain(|column| !whole.contains(column));
    alone
}

fn position<T: PartialEq>(known: &mut Vec<T>, new: T) -> usize {
    known.iter().position(|other| *other == new).unwrap_or_else(|| {
        known.push(new);
        known.len() - 1
    })
}
