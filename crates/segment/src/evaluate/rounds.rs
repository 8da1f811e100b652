//! The segments, in rounds: all that is ready in one pass over the wide rows, then the queries of definitions that waited for it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::Expr;
use indexmap::IndexMap;
use roaring::RoaringBitmap;
use tranche_sql::by_row::{self, certain};
use tranche_sql::keys::KeyIndex;
use tranche_sql::{PersonalColumns, Session, SqlError};

use super::evaluation::{EvaluationContext, Failed, Members};
use super::fallback;
use super::graph::{Graph, WideTypes};
use super::pass::pass;
use super::wide_table::WideTable;
use crate::TRAITS;
use crate::definition::definitions::Definitions;
use crate::definition::in_segment::{InSegment, Reference, members_relation, references};
use crate::definition::names::SegmentName;
use crate::definition::scope::Scope;
use crate::definition::validated::{SegmentDefinition, SegmentKind};
use crate::error::SegmentError;
use crate::plan::{Compiled, Program, WideColumn};

/// The segments in the making.
pub(crate) struct Rounds<'a> {
    definitions: &'a Definitions,
    scope: &'a Scope,
    program: &'a Program,
    session: &'a Session,
    key: &'a str,
    table: Arc<WideTable>,
    types: WideTypes,
    /// Definitions that are evaluated, or failed.
    done: HashSet<String>,
    failed: Failed,
    segments: IndexMap<String, Members>,
    /// The entities that are in a segment of each group already.
    taken: HashMap<String, RoaringBitmap>,
    pub(crate) rows_read: u64,
}

impl<'a> Rounds<'a> {
    pub(crate) fn new(
        context: &EvaluationContext<'a>,
        (table, types): (Arc<WideTable>, WideTypes),
        traits: &RecordBatch,
        key: &'a str,
        failed: Failed,
    ) -> Result<Self, SegmentError> {
        let EvaluationContext { definitions, scope, program, session, .. } = *context;
        session.register_rows(TRAITS, traits.schema(), vec![traits.clone()])?;
        let (done, taken) = (HashSet::new(), HashMap::new());
        Ok(Self {
            definitions,
            scope,
            program,
            session,
            key,
            table,
            types,
            done,
            failed,
            segments: IndexMap::new(),
            taken,
            rows_read: 0,
        })
    }

    /// Evaluates all segments of the scope.
    pub(crate) async fn run(&mut self) -> Result<(), SegmentError> {
        let scope = self.scope;
        let mut waiting: Vec<&SegmentDefinition> =
            scope.segments.iter().filter_map(|name| self.definitions.segments.get(name)).collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            let ready = self.ready(&waiting);
            self.fused(&ready).await?;
            waiting.retain(|definition| !self.done.contains(&definition.name));
            for definition in waiting.clone() {
                if definition.needs.iter().all(|need| self.done.contains(need)) && !self.is_fused(definition)
                {
                    self.register_needs(definition)?;
                    let outcome = match self.lacks(definition).await? {
                        Some(lacking) => Err(lacking),
                        None => self.query(definition).await,
                    };
                    if let Err(error) = outcome {
                        self.fail(definition, error)?;
                    }
                }
            }
            waiting.retain(|definition| !self.done.contains(&definition.name));
            if waiting.len() == before {
                return Err(SegmentError::Unknown(waiting[0].needs.join(", ")));
            }
        }
        let place =
            |name: &str| scope.segments.iter().position(|known| SegmentName::parse(name).definition == known);
        self.segments.sort_by(|a, _, b, _| place(a).cmp(&place(b)));
        Ok(())
    }

    pub(crate) fn into_parts(self) -> (IndexMap<String, Members>, Arc<WideTable>, Failed) {
        (self.segments, self.table, self.failed)
    }

    /// Notes that a definition failed with the data; other errors are not its own.
    fn fail(&mut self, definition: &SegmentDefinition, error: SegmentError) -> Result<(), SegmentError> {
        if !error.is_of_a_definition() {
            return Err(error);
        }
        self.failed.insert(definition.name.clone(), error);
        self.done.insert(definition.name.clone());
        Ok(())
    }

    /// The error of a definition that needs a failed one.
    async fn lacks(&self, definition: &SegmentDefinition) -> Result<Option<SegmentError>, SegmentError> {
        let failed = |name: &&String| self.failed.contains_key(*name);
        let mut needed = definition.needs.iter().find(failed).cloned();
        if needed.is_none() && self.program.traits.values().any(|column| failed(&&column.definition)) {
            let traits = self.traits_read(definition).await?;
            let files = traits.iter().filter_map(|name| self.program.traits.get(name));
            needed = files.map(|column| &column.definition).find(failed).cloned();
        }
        Ok(needed.map(|needed| SegmentError::Needs { definition: definition.name.clone(), needed }))
    }

    /// The columns of the wide table that a definition reads.
    async fn traits_read(&self, definition: &SegmentDefinition) -> Result<Vec<String>, SegmentError> {
        if let Some(Compiled::Fused { present, label }) = self.program.segments.get(&definition.name) {
            let columns = std::iter::once(present).chain(label).flat_map(Expr::column_refs);
            let traits = columns.filter_map(|column| match WideColumn::parse(&column.name) {
                Some(WideColumn::Trait(name)) => Some(name),
                _ => None,
            });
            return Ok(traits.collect());
        }
        let plan = self.session.plan(definition.file.text(), &InSegment::OfKey(self.key)).await;
        let plan = plan.map_err(|problem| SegmentError::definition(&definition.file, problem))?;
        Ok(self.session.columns_read(&plan, TRAITS)?.into_iter().collect())
    }

    fn is_fused(&self, definition: &SegmentDefinition) -> bool {
        matches!(self.program.segments.get(&definition.name), Some(Compiled::Fused { .. }))
    }

    /// What can be evaluated in one pass now: compiled, and in need of nothing that waits for a query.
    fn ready<'d>(&self, waiting: &[&'d SegmentDefinition]) -> Vec<&'d SegmentDefinition> {
        let mut names: HashSet<&str> = self.done.iter().map(String::as_str).collect();
        let mut ready = Vec::new();
        for definition in waiting.iter().filter(|definition| self.is_fused(definition)) {
            if definition.needs.iter().all(|need| names.contains(need.as_str())) {
                names.insert(&definition.name);
                ready.push(*definition);
            }
        }
        ready
    }

    async fn fused(&mut self, ready: &[&SegmentDefinition]) -> Result<(), SegmentError> {
        if ready.is_empty() {
            return Ok(());
        }
        let mut graph = Graph::new(self.program, self.session, &self.types);
        let mut wanted = Vec::new();
        for definition in ready {
            if let Some(Compiled::Fused { present, label }) = self.program.segments.get(&definition.name) {
                wanted.push(graph.add(present)?);
                if let Some(label) = label {
                    wanted.push(graph.add(label)?);
                }
            }
        }
        let operations = Arc::new(graph.operations);
        let ranges = pass(&self.table, &operations, &Arc::new(wanted), self.session.threads()).await?;
        let mut place = 0;
        for definition in ready {
            let columns = if definition.kind == SegmentKind::Set { 2 } else { 1 };
            let own = place..place + columns;
            place += columns;
            let failure = ranges.iter().flat_map(|found| &found[own.clone()]).find_map(|f| f.failure.clone());
            let failure = failure.map(|failure| SegmentError::of_row(&definition.name, failure));
            if let Some(error) = self.lacks(definition).await?.or(failure) {
                self.fail(definition, error)?;
                continue;
            }
            let present: Vec<&BooleanArray> =
                ranges.iter().map(|found| found[own.start].values.as_boolean()).collect();
            match definition.kind {
                SegmentKind::Single => {
                    let members = members_of(&present, self.table.universe);
                    self.publish(definition.name.clone(), members)?;
                }
                SegmentKind::Set => {
                    let labels: Vec<&ArrayRef> =
                        ranges.iter().map(|found| &found[own.end - 1].values).collect();
                    for (label, members) in labelled(&present, &labels, self.table.universe)? {
                        self.publish(SegmentName::labelled(&definition.name, &label).to_string(), members)?;
                    }
                }
            }
            self.done.insert(definition.name.clone());
        }
        Ok(())
    }

    /// Makes the members of the segments that a definition refers to known to the session.
    fn register_needs(&self, definition: &SegmentDefinition) -> Result<(), SegmentError> {
        let schema = self.members_schema();
        for Reference { segment: needed, .. } in references(definition.file.text()) {
            // A label that no entity has at this instant is a segment without members.
            let entities =
                self.segments.get(&needed).map(|members| members.entities.clone()).unwrap_or_default();
            let keys = self.table.index.column(entities.iter())?;
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![keys]).map_err(SqlError::from)?;
            self.session.register_rows(&members_relation(&needed), Arc::clone(&schema), vec![batch])?;
        }
        Ok(())
    }

    async fn query(&mut self, definition: &SegmentDefinition) -> Result<(), SegmentError> {
        let (batch, read) =
            fallback::query(&definition.name, &definition.file, InSegment::OfKey(self.key), self.session)
                .await?;
        self.rows_read += read;
        // Ids outside of the index are distinguished from each other only.
        let mut index = KeyIndex::clone(&self.table.index);
        let numbers = index.insert(batch.column(0))?;
        let universe = self.table.universe;
        match definition.kind {
            SegmentKind::Single => {
                let mut members = numbered(numbers.into_iter(), universe);
                if let Some((group, _)) = &definition.group {
                    let taken = self.taken.entry(group.clone()).or_default();
                    members.entities -= &*taken;
                }
                self.publish(definition.name.clone(), members)?;
            }
            SegmentKind::Set => {
                let keys = (&index, self.table.personal.has_named(self.key));
                for (label, rows) in rows_by_label(definition, &numbers, batch.column(1), keys)? {
                    self.publish(
                        SegmentName::labelled(&definition.name, &label).to_string(),
                        numbered(rows.into_iter(), universe),
                    )?;
                }
            }
        }
        self.done.insert(definition.name.clone());
        Ok(())
    }

    fn publish(&mut self, name: String, members: Members) -> Result<(), SegmentError> {
        if let Some((group, _)) =
            self.definitions.segments.get(&name).and_then(|definition| definition.group.as_ref())
        {
            *self.taken.entry(group.clone()).or_default() |= &members.entities;
        }
        if self.program.is_shared() {
            self.segments.insert(name, members);
            return Ok(());
        }
        // Later passes read it as a column of the wide row.
        let Some(table) = Arc::get_mut(&mut self.table) else {
            return Err(SqlError::Engine("a pass has not ended".to_owned()).into());
        };
        let mut bits = vec![false; table.index.len() as usize + 1];
        for entity in &members.entities {
            bits[entity as usize] = true;
        }
        table.members.insert(name.clone(), BooleanArray::new(BooleanBuffer::from(bits), None));
        self.types.known_members.push(name.clone());
        self.segments.insert(name, members);
        Ok(())
    }

    fn members_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new(self.key, self.table.index.data_type().clone(), false)]))
    }
}

/// The members, from truth values over all rows.
fn members_of(ranges: &[&BooleanArray], universe: u32) -> Members {
    let mut bytes = Vec::with_capacity(universe as usize / 8 + 8);
    let mut unknown = 0;
    let mut start = 0;
    for values in ranges {
        let held = certain(values);
        // Ranges begin at multiples of eight rows, so that their bytes follow one another.
        bytes.extend_from_slice(held.sliced().as_slice());
        bytes.truncate((start + values.len()).div_ceil(8));
        let known = (universe as usize).saturating_sub(start).min(values.len());
        unknown += values.slice(0, known).null_count() as u64;
        start += values.len();
    }
    let mut entities = RoaringBitmap::from_lsb0_bytes(0, &bytes);
    let keyless = u32::try_from(start.saturating_sub(1)).unwrap_or(u32::MAX);
    let null_keys = u64::from(entities.remove(keyless));
    let matched = entities.range_cardinality(..universe);
    let unmatched = entities.len() - matched;
    entities.remove_range(universe..);
    Members { entities, unmatched, null_keys, null_predicates: Some(unknown) }
}

/// The members of each label, in the order of the labels.
fn labelled(
    present: &[&BooleanArray],
    labels: &[&ArrayRef],
    universe: u32,
) -> Result<Vec<(String, Members)>, SqlError> {
    let mut found: IndexMap<String, Vec<Option<u32>>> = IndexMap::new();
    let rows: usize = present.iter().map(|values| values.len()).sum();
    let mut start = 0;
    for (present, labels) in present.iter().zip(labels) {
        let held = certain(present);
        let labels = cast(labels, &DataType::Utf8)?;
        let labels = labels.as_string::<i32>();
        for row in held.set_indices().filter(|&row| labels.is_valid(row)) {
            let number = (start + row + 1 < rows).then(|| u32::try_from(start + row).unwrap_or(u32::MAX));
            match found.get_mut(labels.value(row)) {
                Some(numbers) => numbers.push(number),
                None => {
                    found.insert(labels.value(row).to_owned(), vec![number]);
                }
            }
        }
        start += present.len();
    }
    found.sort_unstable_keys();
    Ok(found.into_iter().map(|(label, numbers)| (label, numbered(numbers.into_iter(), universe))).collect())
}

/// The members with these numbers.
fn numbered(numbers: impl Iterator<Item = Option<u32>>, universe: u32) -> Members {
    let (mut found, mut null_keys) = (RoaringBitmap::new(), 0);
    for number in numbers {
        match number {
            Some(number) => {
                found.insert(number);
            }
            None => null_keys = 1,
        }
    }
    let matched = found.range_cardinality(..universe);
    let unmatched = found.len() - matched;
    found.remove_range(universe..);
    Members { entities: found, unmatched, null_keys, null_predicates: None }
}

/// The number of each row's key; none for a row without a key.
type Numbers = Vec<Option<u32>>;

/// The numbers of each label's rows, in the order of the labels; an entity has at most one label.
fn rows_by_label(
    definition: &SegmentDefinition,
    numbers: &[Option<u32>],
    labels: &ArrayRef,
    (index, is_personal): (&KeyIndex, bool),
) -> Result<Vec<(String, Numbers)>, SegmentError> {
    let labels = cast(labels, &DataType::Utf8).map_err(SqlError::from)?;
    let labels = labels.as_string::<i32>();
    let mut by_label: IndexMap<&str, Vec<Option<u32>>> = IndexMap::new();
    let mut label_of: HashMap<u32, &str> = HashMap::new();
    for (row, number) in numbers.iter().enumerate().filter(|(row, _)| labels.is_valid(*row)) {
        let label = labels.value(row);
        let rows = by_label.entry(label).or_default();
        if let Some(number) = number
            && *label_of.entry(*number).or_insert(label) != label
        {
            let key = index.column(std::iter::once(*number))?;
            let key = PersonalColumns::shown(is_personal, || by_row::shown(&key, 0));
            return Err(SegmentError::Ambiguous { definition: definition.name.clone(), what: "label", key });
        }
        rows.push(*number);
    }
    by_label.sort_unstable_keys();
    Ok(by_label.into_iter().map(|(label, rows)| (label.to_owned(), rows)).collect())
}
