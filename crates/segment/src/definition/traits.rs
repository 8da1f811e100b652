//! The wide table: one row per entity, its own columns and all its traits.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use datafusion::common::JoinType;
use datafusion::logical_expr::{LogicalPlan, cast as cast_expr, lit};
use datafusion::prelude::{DataFrame, ident};
use datafusion::scalar::ScalarValue;
use tranche_project::{Position, Problems};
use tranche_schema as schema;
use tranche_sql::{Session, SqlError, dialect};

use crate::definition::definitions::Definitions;
use crate::definition::spec::Scalar;
use crate::definition::validated::TraitsDefinition;
use crate::error::SegmentError;

/// The trait columns of a planned query; what cannot be a trait is reported.
pub(crate) fn check(
    definition: &TraitsDefinition,
    definitions: &Definitions,
    plan: &LogicalPlan,
    taken: &[Field],
    problems: &mut Problems,
) -> Vec<Field> {
    let columns = plan.schema().fields();
    let positions = dialect::projection_positions(definition.file.text());
    let at = |index: usize| positions.get(index).copied().unwrap_or(Position::START);
    let key = definitions.key(&definition.entity).unwrap_or_default();
    let keys: Vec<usize> = (0..columns.len())
        .filter(|&i| definitions.is_key_name(columns[i].name(), &definition.entity))
        .collect();
    if keys.first() != Some(&0) {
        let message = format!(
            "traits `{}` must return the key `{key}` of `{}` first",
            definition.name, definition.entity
        );
        problems.report(&definition.file, at(0), message);
    }
    let mut fields = Vec::new();
    for (index, column) in columns.iter().enumerate().skip(1) {
        if keys.contains(&index) {
            continue;
        }
        if taken.iter().chain(&fields).any(|other| other.name() == column.name()) {
            let message =
                format!("`{}` is already a column or trait of `{}`", column.name(), definition.entity);
            problems.report(&definition.file, at(index), message);
            continue;
        }
        if !column.name().chars().all(|c| c.is_alphanumeric() || c == '_') {
            let message = format!("give this trait a name: `{} AS <name>`", column.name());
            problems.report(&definition.file, at(index), message);
            continue;
        }
        fields.push(Field::new(column.name(), column.data_type().clone(), true));
    }
    for (name, value) in &definition.defaults {
        match fields.iter().find(|field| field.name() == name) {
            None => problems.report(
                &definition.file,
                value.referenced,
                format!("the query returns no trait `{name}`"),
            ),
            Some(field) if scalar(&value.value).cast_to(field.data_type()).is_err() => {
                let message = format!(
                    "`{}` cannot be the default of `{name}`, which is {}",
                    value.value,
                    tranche_sql::type_name(field.data_type())
                );
                problems.report(&definition.file, value.referenced, message);
            }
            Some(_) => {}
        }
    }
    fields
}

/// Everyone: a row for each entity at a session's `as_of`.
#[derive(Debug)]
pub(crate) struct Universe {
    /// The columns of the entity's own table.
    pub(crate) rows: RecordBatch,
    /// Which of them is the key.
    pub(crate) key: usize,
    /// How many rows are in the entity's own table; they come first.
    pub(crate) declared: u32,
    pub(crate) rows_read: u64,
}

/// Who counts as an entity.
pub(crate) async fn universe(
    definitions: &Definitions,
    entity: &str,
    session: &Session,
) -> Result<Universe, SegmentError> {
    let Some((contract, key)) = definitions.entity_contract(entity).zip(definitions.key(entity)) else {
        return Err(SegmentError::Unknown(entity.to_owned()));
    };
    let own = session.collect_frame(session.table(&contract.table).await?).await?;
    let mut rows_read = own.rows_read;
    let declared = u32::try_from(own.rows()).unwrap_or(u32::MAX);
    let (mut schema, mut batches) = (own.schema, own.batches);
    if definitions.universe(entity) == schema::Universe::Observed {
        let table = session.table(&contract.table).await?;
        if let Some(observed) = observed(definitions, entity, key, session, table).await? {
            let observed = session.collect_frame(observed).await?;
            rows_read += observed.rows_read;
            batches.extend(observed.batches);
            // Who is in no table but those of events has none of the entity's own columns, whatever its contract says of them.
            let fields =
                schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(field.name() != key));
            schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        }
    }
    let batches =
        batches.into_iter().map(|batch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()));
    let batches = batches.collect::<Result<Vec<_>, _>>().map_err(SqlError::from)?;
    let rows = concat_batches(&schema, &batches).map_err(SqlError::from)?;
    let key = rows.schema().index_of(key).map_err(SqlError::from)?;
    Ok(Universe { rows, key, declared, rows_read })
}

/// A row of nulls for every id that is seen in events and has none in the entity table.
async fn observed(
    definitions: &Definitions,
    entity: &str,
    key: &str,
    session: &Session,
    table: DataFrame,
) -> Result<Option<DataFrame>, SqlError> {
    const OBSERVED: &str = "_observed_key";
    let mut observed: Option<DataFrame> = None;
    for contract in definitions.contracts.values().filter(|c| c.event_time().is_some()) {
        let Some(column) = contract.entity_column(entity) else { continue };
        let ids = session.table(&contract.table).await?;
        let ids = ids.select(vec![ident(column).alias(OBSERVED)]).map_err(SqlError::engine)?;
        observed = Some(match observed {
            None => ids,
            Some(others) => others.union(ids).map_err(SqlError::engine)?,
        });
    }
    let Some(observed) = observed else { return Ok(None) };
    let ids = observed
        .filter(ident(OBSERVED).is_not_null())
        .and_then(DataFrame::distinct)
        .map_err(SqlError::engine)?;
    let new =
        ids.join(table.clone(), JoinType::LeftAnti, &[OBSERVED], &[key], None).map_err(SqlError::engine)?;
    let columns = table.schema().fields().iter().map(|field| {
        let null = || ScalarValue::try_from(field.data_type()).unwrap_or(ScalarValue::Null);
        if field.name() == key {
            cast_expr(ident(OBSERVED), field.data_type().clone()).alias(key)
        } else {
            lit(null()).alias(field.name())
        }
    });
    Ok(Some(new.select(columns.collect::<Vec<_>>()).map_err(SqlError::engine)?))
}

pub(crate) fn scalar(value: &Scalar) -> ScalarValue {
    match value {
        Scalar::Integer(value) => ScalarValue::from(*value),
        Scalar::Number(value) => ScalarValue::from(*value),
        Scalar::Text(value) => ScalarValue::from(value.as_str()),
        Scalar::Truth(value) => ScalarValue::from(*value),
    }
}
