//! Who is in which segment at one `as_of`: every definition is run, nothing is written.
//!
//! Queries run one by one; a shared scan may take their place here without anyone noticing but the clock.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use indexmap::IndexMap;
use roaring::RoaringBitmap;
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Session, SqlError, segment_relation};

use crate::definitions::{Definitions, SegmentDefinition, SegmentKind};
use crate::error::SegmentError;
use crate::scope::Scope;
use crate::{TRAITS, traits};

/// The members of every evaluated segment of one entity.
#[derive(Debug)]
pub struct Evaluation {
    /// The entity.
    pub entity: String,
    /// Its key column.
    pub key: String,
    /// The numbers of the entities; those below [`Evaluation::universe`] are in the universe.
    pub index: KeyIndex,
    /// How many entities there are.
    pub universe: u32,
    /// The members by segment, `set/label` for those of a set.
    pub segments: IndexMap<String, Members>,
    /// The wide table: one row per entity.
    pub traits: RecordBatch,
    /// Rows that were read from tables.
    pub rows_read: u64,
    /// The entities that are in a segment of each group already.
    taken: IndexMap<String, RoaringBitmap>,
}

/// The members of a segment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Members {
    /// Their numbers in the index.
    pub entities: RoaringBitmap,
    /// Distinct ids that the definition returned and the universe lacks.
    pub unmatched: u64,
    /// Rows without a key: nobody is meant.
    pub null_keys: u64,
}

/// Evaluates what is in scope, in a session in which the contracts are registered.
///
/// # Errors
/// [`SegmentError`] with the definition at fault.
pub async fn evaluate(definitions: &Definitions, scope: &Scope, session: &Session) -> Result<Evaluation, SegmentError> {
    let wide = traits::compute(definitions, scope, session).await?;
    let key = definitions.key(&scope.entity).ok_or_else(|| SegmentError::Unknown(scope.entity.clone()))?.to_owned();
    let key_column = wide.batch.schema().index_of(&key).map_err(SqlError::from)?;
    let key_type = wide.batch.schema().field(key_column).data_type().clone();
    let mut index = KeyIndex::new(&key_type);
    index.insert(wide.batch.column(key_column))?;
    session.register_rows(TRAITS, Arc::clone(&wide.schema), vec![wide.batch.clone()])?;
    let mut evaluation = Evaluation {
        entity: scope.entity.clone(),
        key,
        universe: index.len(),
        index,
        segments: IndexMap::new(),
        traits: wide.batch,
        rows_read: wide.rows_read,
        taken: IndexMap::new(),
    };
    for definition in scope.segments.iter().filter_map(|name| definitions.segments.get(name)) {
        evaluation.add(definition, session).await?;
    }
    Ok(evaluation)
}

impl Evaluation {
    async fn add(&mut self, definition: &SegmentDefinition, session: &Session) -> Result<(), SegmentError> {
        for (needed, _) in Session::segments_of(definition.file.text(), Some(&self.key)).unwrap_or_default() {
            // A label that nobody has at this instant is a segment without members.
            if !self.segments.contains_key(&needed) {
                session.register_empty(&segment_relation(&needed), self.members_schema())?;
            }
        }
        let plan = session.plan(definition.file.text(), Some(&self.key)).await.map_err(|problem| {
            let mut diagnostic = definition.file.problem(problem.position, problem.message);
            diagnostic.help = problem.help;
            SegmentError::Definition(Box::new(diagnostic))
        })?;
        let failed = |source| SegmentError::Query { definition: definition.name.clone(), source };
        let collected = session.collect(&plan).await.map_err(failed)?;
        self.rows_read += collected.rows_read;
        let batch = concat_batches(&collected.schema, &collected.batches).map_err(SqlError::from)?;
        let numbers = self.index.insert(batch.column(0))?;
        match definition.kind {
            SegmentKind::Single => {
                let mut members = self.members_of(numbers.iter().copied());
                self.leave_to_group(definition, &mut members);
                self.publish(definition.name.clone(), members, session)?;
            }
            SegmentKind::Set => self.add_set(definition, &numbers, &batch, session)?,
        }
        Ok(())
    }

    fn members_of(&self, numbers: impl Iterator<Item = Option<u32>>) -> Members {
        let (mut found, mut null_keys) = (RoaringBitmap::new(), 0);
        for number in numbers {
            match number {
                Some(number) => {
                    found.insert(number);
                }
                None => null_keys += 1,
            }
        }
        let matched = found.range_cardinality(..self.universe);
        let unmatched = found.len() - matched;
        found.remove_range(self.universe..);
        Members { entities: found, unmatched, null_keys }
    }

    fn add_set(
        &mut self,
        definition: &SegmentDefinition,
        numbers: &[Option<u32>],
        batch: &RecordBatch,
        session: &Session,
    ) -> Result<(), SegmentError> {
        let labels = cast(batch.column(1), &DataType::Utf8).map_err(SqlError::from)?;
        let labels = labels.as_string::<i32>();
        let mut by_label: IndexMap<&str, Vec<Option<u32>>> = IndexMap::new();
        let mut label_of: HashMap<u32, &str> = HashMap::new();
        for (row, number) in numbers.iter().enumerate() {
            if labels.is_null(row) {
                continue;
            }
            let label = labels.value(row);
            let rows = by_label.entry(label).or_default();
            if let Some(number) = number
                && *label_of.entry(*number).or_insert(label) != label
            {
                let key = cast(&self.index.column(std::iter::once(*number))?, &DataType::Utf8).map_err(SqlError::from)?;
                let key = key.as_string::<i32>().value(0).to_owned();
                return Err(SegmentError::Ambiguous { definition: definition.name.clone(), what: "label", key });
            }
            rows.push(*number);
        }
        by_label.sort_unstable_keys();
        let found: Vec<(String, Members)> = by_label
            .into_iter()
            .map(|(label, rows)| (format!("{}/{label}", definition.name), self.members_of(rows.into_iter())))
            .collect();
        for (name, members) in found {
            self.publish(name, members, session)?;
        }
        Ok(())
    }

    /// In a group, an entity stays in the first segment that has it.
    fn leave_to_group(&mut self, definition: &SegmentDefinition, members: &mut Members) {
        let Some((group, _)) = &definition.group else { return };
        let taken = self.taken.entry(group.clone()).or_default();
        members.entities -= &*taken;
        *taken |= &members.entities;
    }

    fn publish(&mut self, name: String, members: Members, session: &Session) -> Result<(), SegmentError> {
        let keys = self.index.column(members.entities.iter())?;
        let batch = RecordBatch::try_new(self.members_schema(), vec![keys]).map_err(SqlError::from)?;
        session.register_rows(&segment_relation(&name), self.members_schema(), vec![batch])?;
        self.segments.insert(name, members);
        Ok(())
    }

    fn members_schema(&self) -> SchemaRef {
        let data_type = self.traits.schema().field_with_name(&self.key).map_or(DataType::Utf8, |f| f.data_type().clone());
        Arc::new(Schema::new(vec![Field::new(&self.key, data_type, false)]))
    }
}
