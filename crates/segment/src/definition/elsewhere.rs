//! What the other pipelines of a project define of the same entities: it is theirs to publish and to end.

use std::collections::BTreeSet;

use tranche_sql::Session;

use super::definitions::Definitions;
use super::in_segment::InSegment;
use super::names::SegmentName;

/// Definitions of other pipelines, by entity and name.
#[derive(Debug, Clone, Default)]
pub struct Elsewhere {
    segments: BTreeSet<(String, String)>,
    traits: BTreeSet<(String, String)>,
}

impl Elsewhere {
    /// What pipelines define; the session has their contracts. Traits that do not plan are none.
    pub async fn of(others: impl Iterator<Item = &Definitions>, session: &Session) -> Self {
        let mut all = Self::default();
        for definitions in others {
            for segment in definitions.segments.values() {
                all.segments.insert((segment.entity.clone(), segment.name.clone()));
            }
            for traits in definitions.traits.values() {
                let Ok(plan) = session.plan(traits.file.text(), &InSegment::InTraits).await else { continue };
                let columns = plan.schema().fields().iter().map(|field| field.name().clone());
                all.traits.extend(columns.map(|column| (traits.entity.clone(), column)));
            }
        }
        all
    }

    #[cfg(test)]
    pub(crate) fn with_trait(entity: &str, column: &str) -> Self {
        let traits = BTreeSet::from([(entity.to_owned(), column.to_owned())]);
        Self { segments: BTreeSet::new(), traits }
    }

    /// Whether another pipeline defines a segment, or the set of a label.
    pub(crate) fn defines(&self, entity: &str, segment: &str) -> bool {
        let definition = SegmentName::parse(segment).definition;
        self.segments.contains(&(entity.to_owned(), definition.to_owned()))
    }

    /// Whether a column of an entity's wide table is a trait of another pipeline.
    pub(crate) fn has_trait(&self, entity: &str, column: &str) -> bool {
        self.traits.contains(&(entity.to_owned(), column.to_owned()))
    }
}
