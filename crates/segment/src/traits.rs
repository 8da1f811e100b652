//! The wide table: one row per entity, its own columns and all its traits.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::JoinType;
use datafusion::functions::expr_fn::coalesce;
use datafusion::logical_expr::{Expr, LogicalPlan, cast as cast_expr, lit};
use datafusion::prelude::{DataFrame, ident};
use datafusion::scalar::ScalarValue;
use tranche_project::{Position, Problems};
use tranche_schema::Universe;
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Session, SqlError};

use crate::check::is_key_name;
use crate::definitions::{Definitions, TraitsDefinition};
use crate::error::SegmentError;
use crate::scope::Scope;
use crate::spec::Scalar;

/// The wide table of an entity at a session's `as_of`.
#[derive(Debug)]
pub(crate) struct Wide {
    pub(crate) schema: SchemaRef,
    pub(crate) batch: RecordBatch,
    pub(crate) rows_read: u64,
}

/// The trait columns of a planned query; what cannot be a trait is reported.
pub(crate) fn check(
    definition: &TraitsDefinition,
    definitions: &Definitions,
    plan: &LogicalPlan,
    taken: &[Field],
    problems: &mut Problems,
) -> Vec<Field> {
    let columns = plan.schema().fields();
    let positions = Session::projection_positions(definition.file.text());
    let at = |index: usize| positions.get(index).copied().unwrap_or(Position::START);
    let key = definitions.key(&definition.entity).unwrap_or_default();
    let keys: Vec<usize> =
        (0..columns.len()).filter(|&i| is_key_name(columns[i].name(), &definition.entity, definitions)).collect();
    if keys.first() != Some(&0) {
        let message = format!("traits `{}` must return the key `{key}` of `{}` first", definition.name, definition.entity);
        problems.report(&definition.file, at(0), message);
    }
    let mut fields = Vec::new();
    for (index, column) in columns.iter().enumerate().skip(1) {
        if keys.contains(&index) {
            continue;
        }
        if taken.iter().chain(&fields).any(|other| other.name() == column.name()) {
            let message = format!("`{}` is already a column or trait of `{}`", column.name(), definition.entity);
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
            None => problems.report(&definition.file, value.referenced, format!("the query returns no trait `{name}`")),
            Some(field) if scalar(&value.value).cast_to(field.data_type()).is_err() => {
                let message = format!("`{}` cannot be the default of `{name}`, which is {}", value.value, field.data_type());
                problems.report(&definition.file, value.referenced, message);
            }
            Some(_) => {}
        }
    }
    fields
}

/// Computes the wide table of an entity, with the traits in scope.
pub(crate) async fn compute(definitions: &Definitions, scope: &Scope, session: &Session) -> Result<Wide, SegmentError> {
    let entity = scope.entity.as_str();
    let Some((contract, key)) = definitions.entity_contract(entity).zip(definitions.key(entity)) else {
        return Err(SegmentError::Unknown(entity.to_owned()));
    };
    let mut rows_read = 0;
    let mut wide = session.table(&contract.table).await?;
    if definitions.universe(entity) == Universe::Observed {
        wide = with_observed(definitions, entity, key, session, wide).await?;
    }
    for definition in scope.traits.iter().filter_map(|name| definitions.traits.get(name)) {
        let (rows, read) = query(definition, key, session).await?;
        rows_read += read;
        wide = add_traits(wide, key, definition, &rows, session)?;
    }
    let collected = session.collect_frame(wide).await?;
    let batch = concat_batches(&collected.schema, &collected.batches).map_err(SqlError::from)?;
    Ok(Wide { schema: collected.schema, batch, rows_read: rows_read + collected.rows_read })
}

/// Runs a traits query and makes sure that it has one row per entity.
async fn query(definition: &TraitsDefinition, key: &str, session: &Session) -> Result<(RecordBatch, u64), SegmentError> {
    let failed = |source| SegmentError::Query { definition: definition.name.clone(), source };
    let plan = session.plan(definition.file.text(), Some(key)).await.map_err(|problem| {
        let mut diagnostic = definition.file.problem(problem.position, problem.message);
        diagnostic.help = problem.help;
        SegmentError::Definition(Box::new(diagnostic))
    })?;
    let collected = session.collect(&plan).await.map_err(failed)?;
    let batch = concat_batches(&collected.schema, &collected.batches).map_err(SqlError::from)?;
    let mut index = KeyIndex::new(batch.schema().field(0).data_type());
    let mut distinct = 0;
    for (row, number) in index.insert(batch.column(0))?.into_iter().enumerate() {
        let Some(number) = number else { continue };
        if number < distinct {
            let shown = cast(&batch.column(0).slice(row, 1), &DataType::Utf8).map_err(SqlError::from)?;
            let key = shown.as_string::<i32>().value(0).to_owned();
            return Err(SegmentError::Ambiguous { definition: definition.name.clone(), what: "row", key });
        }
        distinct += 1;
    }
    Ok((batch, collected.rows_read))
}

fn add_traits(
    wide: DataFrame,
    key: &str,
    definition: &TraitsDefinition,
    rows: &RecordBatch,
    session: &Session,
) -> Result<DataFrame, SqlError> {
    const JOINED_KEY: &str = "_traits_key";
    let traits = session.frame(rows.schema(), vec![rows.clone()])?;
    let schema = rows.schema();
    let names: Vec<&String> = schema.fields().iter().skip(1).map(|f| f.name()).collect();
    let mut renamed = vec![ident(schema.field(0).name()).alias(JOINED_KEY)];
    renamed.extend(names.iter().map(|name| ident(*name)));
    let mut columns: Vec<Expr> = wide.schema().fields().iter().map(|f| ident(f.name())).collect();
    for name in names {
        let data_type = schema.field_with_name(name)?.data_type();
        columns.push(match definition.defaults.get(name) {
            Some(default) => coalesce(vec![ident(name), cast_expr(lit(scalar(&default.value)), data_type.clone())]).alias(name),
            None => ident(name),
        });
    }
    let traits = traits.select(renamed).map_err(SqlError::engine)?;
    let joined = wide.join(traits, JoinType::Left, &[key], &[JOINED_KEY], None).map_err(SqlError::engine)?;
    joined.select(columns).map_err(SqlError::engine)
}

/// The entity table with a row of nulls for every id that is seen in events and has none.
async fn with_observed(
    definitions: &Definitions,
    entity: &str,
    key: &str,
    session: &Session,
    table: DataFrame,
) -> Result<DataFrame, SqlError> {
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
    let Some(observed) = observed else { return Ok(table) };
    let ids = observed.filter(ident(OBSERVED).is_not_null()).and_then(DataFrame::distinct).map_err(SqlError::engine)?;
    let new = ids.join(table.clone(), JoinType::LeftAnti, &[OBSERVED], &[key], None).map_err(SqlError::engine)?;
    let columns = table.schema().fields().iter().map(|field| {
        let null = || ScalarValue::try_from(field.data_type()).unwrap_or(ScalarValue::Null);
        if field.name() == key {
            cast_expr(ident(OBSERVED), field.data_type().clone()).alias(key)
        } else {
            lit(null()).alias(field.name())
        }
    });
    let new = new.select(columns.collect::<Vec<_>>()).map_err(SqlError::engine)?;
    table.union(new).map_err(SqlError::engine)
}

fn scalar(value: &Scalar) -> ScalarValue {
    match value {
        Scalar::Integer(value) => ScalarValue::from(*value),
        Scalar::Number(value) => ScalarValue::from(*value),
        Scalar::Text(value) => ScalarValue::from(value.as_str()),
        Scalar::Truth(value) => ScalarValue::from(*value),
    }
}
