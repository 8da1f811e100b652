//! Replay: who is in a segment at an instant, computed from today's definitions and written nowhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{Field, Schema};
use jiff::Timestamp;
use roaring::RoaringBitmap;
use tranche_sql::{Engine, Session, SqlError, Tables};

use crate::TRAITS;
use crate::definition::definitions::Definitions;
use crate::definition::in_segment::{InSegment, Reference, members_relation, references};
use crate::definition::names::SegmentName;
use crate::definition::scope::Scope;
use crate::definition::validated::{SegmentDefinition, SegmentKind};
use crate::error::SegmentError;
use crate::evaluate::{Evaluation, Sharing, evaluate};

/// What a replay works with.
pub struct Replay<'a> {
    /// The definitions of a pipeline.
    pub definitions: &'a Definitions,
    /// The tables of the contracts.
    pub tables: &'a Tables,
    /// The engine.
    pub engine: &'a Engine,
    /// The instant.
    pub as_of: Timestamp,
}

impl Replay<'_> {
    /// Evaluates only what `wanted` segments of an entity need.
    pub(crate) async fn evaluate(&self, entity: &str, wanted: &[String]) -> Result<Replayed, SegmentError> {
        let scope = self.scope(entity, wanted).await?;
        let session = self.engine.session_over(self.tables, self.as_of).await?;
        let evaluation = evaluate(self.definitions, &scope, self.tables, &session, Sharing::Shared).await?;
        Ok(Replayed { evaluation, session })
    }

    /// Planning registers empty tables, so that it has a session of its own.
    pub(crate) async fn scope(&self, entity: &str, wanted: &[String]) -> Result<Scope, SegmentError> {
        let session = self.engine.session_over(self.tables, self.as_of).await?;
        Ok(Scope::of(self.definitions, entity, wanted, &session).await?)
    }

    /// The values of a trait's group for every entity: the wide table with the traits of that group alone.
    ///
    /// # Errors
    /// [`SegmentError`] when the traits cannot be computed.
    pub async fn traits(&self, entity: &str, group: &str) -> Result<RecordBatch, SegmentError> {
        let mut scope = Scope::universe(entity);
        scope.traits.push(group.to_owned());
        let session = self.engine.session_over(self.tables, self.as_of).await?;
        Ok(evaluate(self.definitions, &scope, self.tables, &session, Sharing::Shared).await?.traits)
    }
}

/// A replay's result, and the session in which it was computed.
pub(crate) struct Replayed {
    pub(crate) evaluation: Evaluation,
    pub(crate) session: Session,
}

impl Replayed {
    /// The number of the entity with a key that was typed; `None` when it is no entity at this instant.
    pub(crate) fn number_of(&mut self, key: &str) -> Result<Option<u32>, SqlError> {
        let typed: ArrayRef = Arc::new(StringArray::from(vec![key]));
        let number = Arc::make_mut(&mut self.evaluation.index).insert(&typed)?.into_iter().next().flatten();
        Ok(number.filter(|number| *number < self.evaluation.universe))
    }

    /// The members of a segment, or of all labels of a set.
    pub(crate) fn members(&self, definition: &SegmentDefinition, label: Option<&str>) -> RoaringBitmap {
        let wanted = |name: &str| match (definition.kind, label) {
            (SegmentKind::Single, _) => name == definition.name,
            (SegmentKind::Set, None) => is_label_of(name, definition),
            (SegmentKind::Set, Some(label)) => {
                SegmentName::parse(name) == SegmentName::labelled(&definition.name, label)
            }
        };
        let mut members = RoaringBitmap::new();
        for (_, found) in self.evaluation.segments.iter().filter(|(name, _)| wanted(name)) {
            members |= &found.entities;
        }
        members
    }

    /// Makes the wide table and the segments that a definition refers to known to the session, so that SQL over them can be asked.
    pub(crate) fn register_for(&self, definition: &SegmentDefinition) -> Result<(), SqlError> {
        let wide = &self.evaluation.traits;
        self.session.register_rows(TRAITS, wide.schema(), vec![wide.clone()])?;
        let key = wide.schema().field_with_name(&self.evaluation.key)?.data_type().clone();
        let schema = Arc::new(Schema::new(vec![Field::new(&self.evaluation.key, key, false)]));
        for Reference { segment, .. } in references(definition.file.text()) {
            let members = self
                .evaluation
                .segments
                .get(&segment)
                .map(|found| found.entities.clone())
                .unwrap_or_default();
            let keys = self.evaluation.index.column(members.iter())?;
            let rows = RecordBatch::try_new(Arc::clone(&schema), vec![keys])?;
            self.session.register_rows(&members_relation(&segment), Arc::clone(&schema), vec![rows])?;
        }
        Ok(())
    }

    /// The columns of the wide table that a definition reads, the key among them.
    pub(crate) async fn columns_read(
        &self,
        definition: &SegmentDefinition,
    ) -> Result<BTreeSet<String>, SegmentError> {
        self.register_for(definition)?;
        let key = &self.evaluation.key;
        let plan =
            self.session.plan(definition.file.text(), &InSegment::OfKey(key)).await.map_err(|problem| {
                let diagnostic =
                    definition.file.problem(problem.position, problem.message).with_help_if(problem.help);
                SegmentError::Definition(Box::new(diagnostic))
            })?;
        let mut columns = self.session.columns_read(&plan, TRAITS)?;
        columns.insert(key.clone());
        Ok(columns)
    }
}

/// Whether a segment is one of a set's.
pub(crate) fn is_label_of(segment: &str, definition: &SegmentDefinition) -> bool {
    definition.kind == SegmentKind::Set && SegmentName::parse(segment).is_label_of(&definition.name)
}
