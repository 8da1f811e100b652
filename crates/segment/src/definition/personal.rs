//! Personal data among an entity's columns and traits, and labels that would tell who someone is: they are names of segments, which stand in
//! reports, logs and notifications.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use tranche_project::{Position, Problems};
use tranche_sql::{Origin, PersonalColumns, Session, copied_columns};

use super::in_segment::InSegment;
use crate::TRAITS;
use crate::definition::definitions::Definitions;
use crate::definition::validated::SegmentDefinition;

/// The columns that hold personal data, for the definitions of an entity.
#[derive(Debug)]
pub struct PersonalData {
    marked: Arc<PersonalColumns>,
    /// Of the entity's wide table: its own columns that are marked, and traits that are copies of marked columns.
    wide: BTreeSet<String>,
}

impl PersonalData {
    /// What the contracts mark, and what traits copy of that.
    pub async fn of(definitions: &Definitions, entity: &str, session: &Session) -> Self {
        let mut found = Self { marked: Arc::clone(session.personal()), wide: BTreeSet::new() };
        if found.marked.is_empty() {
            return found;
        }
        let own = definitions.entity_contract(entity);
        let marked = own.iter().flat_map(|contract| &contract.columns).filter(|column| column.pii.is_some());
        found.wide.extend(marked.map(|column| column.name.clone()));
        for traits in definitions.traits.values().filter(|traits| traits.entity == entity) {
            // What cannot be planned is refused as that.
            let Ok(plan) = session.plan(traits.file.text(), &InSegment::InTraits).await else { continue };
            let copies = copied_columns(&plan).into_iter();
            let personal = copies.filter(|(_, origins)| found.first(origins).is_some());
            let personal: Vec<String> = personal.map(|(name, _)| name).collect();
            found.wide.extend(personal);
        }
        found
    }

    /// Whether a column of the entity's wide table is personal data: one of its own, or a trait.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.wide.contains(column)
    }

    fn first<'o>(&self, origins: &'o BTreeSet<Origin>) -> Option<&'o Origin> {
        origins
            .iter()
            .find(|origin| self.marked.has(origin) || (origin.0 == TRAITS && self.wide.contains(&origin.1)))
    }

    /// Refuses labels that are values of personal data.
    pub(crate) fn check_label(
        &self,
        set: &SegmentDefinition,
        plan: &LogicalPlan,
        at: Position,
        problems: &mut Problems,
    ) {
        let Some(label) = plan.schema().fields().get(1) else { return };
        let copies = copied_columns(plan);
        let Some((table, column)) = copies.get(label.name()).and_then(|origins| self.first(origins)) else {
            return;
        };
        let message = format!(
            "the labels of `{}` are values of `{table}.{column}`, which is personal data (`pii`); labels are names that reports, logs \
             and notifications show",
            set.name
        );
        let help = "label by what does not tell who it is, or take `pii` off the column in its contract";
        problems.push(set.file.problem(at, message).with_help(help));
    }
}
