//! Why an entity is in a segment, or is not: its values, the conditions of the definition, and when it was a member.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::DataType;
use datafusion::logical_expr::lit;
use datafusion::prelude::{cast, ident};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tranche_schema::platform::{self, memberships};
use tranche_sql::{Conjuncts, Outcome, SqlError, column_i64, column_text};
use tranche_store::Lake;

use crate::definition::in_segment::InSegment;
use crate::definition::names::SegmentName;
use crate::definition::validated::{SegmentDefinition, SegmentKind};
use crate::error::SegmentError;
use crate::questions::replay::{Replay, Replayed, is_label_of};
use crate::store::memberships_table;

/// An entity's membership of a segment at an instant.
#[derive(Debug)]
pub struct Why {
    /// Whether there is such an entity at that instant.
    pub is_entity: bool,
    /// Whether it is a member, by today's definition.
    pub is_member: bool,
    /// The segment of the set that it is in, when the definition is a set.
    pub label: Option<String>,
    /// The segment of the same group, earlier in it, that has the entity already.
    pub taken_by: Option<String>,
    /// The entity's columns and traits that the definition reads, its key first: one row, or none.
    pub values: RecordBatch,
    /// Each condition of the definition; `None` when it is not a SELECT from one table with a WHERE.
    pub conditions: Option<Vec<Condition>>,
    /// When it was a member, as published, oldest first.
    pub memberships: Vec<Membership>,
}

/// One of the conditions that all must be true, and what it is for the entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Condition {
    /// The condition as SQL.
    pub condition: String,
    /// True, false or null (`None`). Where the entity has several rows, true when it is for one of them.
    pub value: Option<bool>,
    /// Rows of the entity for which it is true.
    pub rows_true: u64,
    /// Rows of the entity.
    pub rows: u64,
}

/// A published interval in which the entity was in a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Membership {
    /// The segment.
    pub segment: String,
    /// The refresh that found it there.
    #[schemars(with = "String")]
    pub entered_at: Timestamp,
    /// The refresh that no longer did; none while it is a member.
    #[schemars(with = "Option<String>")]
    pub exited_at: Option<Timestamp>,
}

/// Asks about the entity with a key, and `definition`'s segment, or of a set the one with `label`.
///
/// # Errors
/// [`SegmentError`] when the definition cannot be evaluated, or what is published cannot be read.
pub async fn why(
    replay: &Replay<'_>,
    definition: &SegmentDefinition,
    label: Option<&str>,
    key: &str,
    lake: &Lake,
) -> Result<Why, SegmentError> {
    let mut replayed = replay.evaluate(&definition.entity, std::slice::from_ref(&definition.name)).await?;
    let number = replayed.number_of(key)?;
    let has = |segment: &str| {
        number.is_some_and(|number| {
            replayed.evaluation.segments.get(segment).is_some_and(|m| m.entities.contains(number))
        })
    };
    let is_member = number.is_some_and(|number| replayed.members(definition, label).contains(number));
    let labels = replayed.evaluation.segments.keys().filter(|name| is_label_of(name, definition));
    let label_of = labels.into_iter().find(|name| has(name)).cloned();
    let taken_by = match &definition.group {
        Some((group, _)) if !is_member => replay
            .definitions
            .segments
            .values()
            .find(|other| {
                other.name != definition.name
                    && other.group.as_ref().is_some_and(|(g, _)| g == group)
                    && has(&other.name)
            })
            .map(|other| other.name.clone()),
        _ => None,
    };
    replayed.register_for(definition)?;
    let values = values(&replayed, definition, number).await?;
    let conditions = match number {
        Some(_) => conditions(&replayed, definition, key).await?,
        None => None,
    };
    let memberships = published(replay, definition, label, key, lake).await?;
    Ok(Why {
        is_entity: number.is_some(),
        is_member,
        label: label_of.filter(|_| definition.kind == SegmentKind::Set),
        taken_by,
        values,
        conditions,
        memberships,
    })
}

async fn values(
    replayed: &Replayed,
    definition: &SegmentDefinition,
    number: Option<u32>,
) -> Result<RecordBatch, SegmentError> {
    let reads = replayed.columns_read(definition).await?;
    let wide = &replayed.evaluation.traits;
    let schema = wide.schema();
    let key = schema.index_of(&replayed.evaluation.key).map_err(SqlError::from)?;
    let read = (0..schema.fields().len())
        .filter(|&column| column != key && reads.contains(schema.field(column).name()));
    let columns: Vec<usize> = std::iter::once(key).chain(read).collect();
    let rows: UInt32Array = number.into_iter().map(Some).collect();
    let row = take_record_batch(wide, &rows).and_then(|row| row.project(&columns)).map_err(SqlError::from)?;
    Ok(row)
}

async fn conditions(
    replayed: &Replayed,
    definition: &SegmentDefinition,
    key: &str,
) -> Result<Option<Vec<Condition>>, SegmentError> {
    let problem = |problem: tranche_sql::SqlProblem| {
        let diagnostic =
            definition.file.problem(definition.named_at, problem.message).with_help_if(problem.help);
        SegmentError::Definition(Box::new(diagnostic))
    };
    let Some(conjuncts) = Conjuncts::of(definition.file.text()).map_err(problem)? else { return Ok(None) };
    let count = async |outcome: Outcome| -> Result<u64, SegmentError> {
        let place = InSegment::OfKey(&replayed.evaluation.key);
        let plan = conjuncts.plan(&replayed.session, &place, key, outcome).await.map_err(problem)?;
        let failed = |source| SegmentError::Query { definition: definition.name.clone(), source };
        Ok(replayed.session.collect(&plan).await.map_err(failed)?.rows() as u64)
    };
    let rows = count(Outcome::Any).await?;
    let mut found = Vec::new();
    for (number, condition) in conjuncts.conditions().into_iter().enumerate() {
        let rows_true = count(Outcome::True(number)).await?;
        let value = if rows_true > 0 {
            Some(true)
        } else {
            (count(Outcome::False(number)).await? > 0).then_some(false)
        };
        found.push(Condition { condition, value, rows_true, rows });
    }
    Ok(Some(found))
}

/// The published intervals of the entity in the segment, or in those of the set.
async fn published(
    replay: &Replay<'_>,
    definition: &SegmentDefinition,
    label: Option<&str>,
    key: &str,
    lake: &Lake,
) -> Result<Vec<Membership>, SegmentError> {
    let Some(snapshot) = lake.snapshot(&memberships_table(&definition.entity)).await? else {
        return Ok(Vec::new());
    };
    let key_column = replay.definitions.key(&definition.entity).unwrap_or_default();
    let session = replay.engine.session(replay.as_of);
    let frame = session
        .read(&snapshot)
        .await?
        .filter(cast(ident(key_column), DataType::Utf8).eq(lit(key)))
        .and_then(|f| {
            f.select([platform::SEGMENT, memberships::ENTERED_AT, memberships::EXITED_AT].map(ident).to_vec())
        })
        .and_then(|f| {
            f.sort(vec![
                ident(memberships::ENTERED_AT).sort(true, false),
                ident(platform::SEGMENT).sort(true, false),
            ])
        })
        .map_err(SqlError::engine)?;
    let batches = session.collect_frame(frame).await?.batches;
    let (entered, exited) = (instants(&batches, 1)?, instants(&batches, 2)?);
    let rows = column_text(&batches, 0)?.into_iter().zip(entered).zip(exited);
    let meant = |segment: &str| match label {
        Some(label) => SegmentName::parse(segment) == SegmentName::labelled(&definition.name, label),
        None => segment == definition.name || is_label_of(segment, definition),
    };
    let rows = rows.filter_map(|((segment, entered_at), exited_at)| {
        Some(Membership { segment: segment?, entered_at: entered_at?, exited_at })
    });
    Ok(rows.filter(|row| meant(&row.segment)).collect())
}

/// Microseconds of a column as instants.
fn instants(batches: &[RecordBatch], column: usize) -> Result<Vec<Option<Timestamp>>, SqlError> {
    let microseconds = column_i64(batches, column)?;
    Ok(microseconds
        .into_iter()
        .map(|value| value.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
        .collect())
}
