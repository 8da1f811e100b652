//! What an evaluation has to compute: the wanted definitions, those that they need, and the traits that any of them reads.

use std::collections::BTreeSet;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use tranche_project::{Problems, SourceFile};
use tranche_schema::{History, TableKind, Universe};
use tranche_sql::{Session, SqlError, dialect};

use super::check;
use crate::TRAITS;
use crate::definition::check::wide_schema;
use crate::definition::definitions::Definitions;
use crate::definition::names::Pattern;

/// The definitions of one entity that an evaluation computes. Found once, used at as many instants as one likes.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The entity.
    pub entity: String,
    /// Segments and sets, each after those that it needs.
    pub(crate) segments: Vec<String>,
    /// Groups of traits.
    pub(crate) traits: Vec<String>,
}

impl Scope {
    /// Everything that is defined for an entity.
    #[must_use]
    pub fn everything(definitions: &Definitions, entity: &str) -> Self {
        let segments =
            definitions.segments.values().filter(|s| s.entity == entity).map(|s| s.name.clone()).collect();
        let traits =
            definitions.traits.values().filter(|t| t.entity == entity).map(|t| t.name.clone()).collect();
        Self { entity: entity.to_owned(), segments, traits }
    }

    /// Nothing but the entities themselves: the universe.
    #[must_use]
    pub fn universe(entity: &str) -> Self {
        Self { entity: entity.to_owned(), segments: Vec::new(), traits: Vec::new() }
    }

    /// Only what `wanted` segments (`vip`, `lifecycle/new`, `lifecycle/*`) need. The contracts are registered in `session`.
    ///
    /// # Errors
    /// [`SqlError`] when the engine itself fails.
    pub async fn of(
        definitions: &Definitions,
        entity: &str,
        wanted: &[String],
        session: &Session,
    ) -> Result<Self, SqlError> {
        let mut scope = Self::everything(definitions, entity);
        let needed = closure(definitions, wanted);
        scope.segments.retain(|name| needed.contains(name));
        let mut problems = Problems::default();
        let (schema, owners) = wide_schema(definitions, entity, session, &mut problems).await?;
        session.register_empty(TRAITS, std::sync::Arc::clone(&schema))?;
        let mut columns = BTreeSet::new();
        for name in &scope.segments {
            let Some(definition) = definitions.segments.get(name) else { continue };
            let plan = check::plan_segment(definition, definitions, &schema, session).await?;
            match plan.map(|plan| session.optimized(&plan)) {
                Ok(Ok(plan)) => trait_columns(&plan, &mut columns)?,
                // What cannot be planned now will say so when it is evaluated.
                _ => return Ok(scope),
            }
        }
        scope
            .traits
            .retain(|name| owners.iter().any(|(column, owner)| owner == name && columns.contains(column)));
        Ok(scope)
    }
}

/// The wanted definitions and all that they need.
fn closure(definitions: &Definitions, wanted: &[String]) -> Vec<String> {
    let mut names: Vec<String> =
        wanted.iter().map(|name| Pattern::parse(name).definition().to_owned()).collect();
    let mut next = 0;
    while let Some(name) = names.get(next).cloned() {
        let needs =
            definitions.segments.get(&name).map(|definition| definition.needs.clone()).unwrap_or_default();
        names.extend(needs.into_iter().filter(|need| !names.contains(need)).collect::<Vec<_>>());
        next += 1;
    }
    names
}

impl Scope {
    /// Whether an evaluation gives the same at every instant: what it reads is not dated, and no definition asks for the instant.
    #[must_use]
    pub fn is_timeless(&self, definitions: &Definitions) -> bool {
        let is_undated = |table: &String| {
            definitions.contracts.get(table).is_some_and(|contract| {
                matches!(&contract.kind, TableKind::Entity { history: History::Latest, .. })
            })
        };
        self.tables(definitions).iter().all(is_undated)
            && definitions.universe(&self.entity) == Universe::Declared
            && self.files(definitions).all(|file| !dialect::reads_as_of(file.text()))
    }

    /// The tables of contracts that an evaluation reads.
    #[must_use]
    pub fn tables(&self, definitions: &Definitions) -> BTreeSet<String> {
        let mut tables: BTreeSet<String> =
            definitions.entity_contract(&self.entity).map(|c| c.table.clone()).into_iter().collect();
        for file in self.files(definitions) {
            tables.extend(dialect::relations(file.text()));
        }
        tables.retain(|name| definitions.contracts.contains_key(name));
        tables
    }

    fn files<'a>(&'a self, definitions: &'a Definitions) -> impl Iterator<Item = &'a SourceFile> {
        let traits = self.traits.iter().filter_map(|name| definitions.traits.get(name)).map(|t| &t.file);
        traits.chain(self.segments.iter().filter_map(|name| definitions.segments.get(name)).map(|s| &s.file))
    }
}

/// The columns of the wide table that an optimised plan reads.
fn trait_columns(plan: &LogicalPlan, columns: &mut BTreeSet<String>) -> Result<(), SqlError> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && scan.table_name.table() == TRAITS
        {
            columns.extend(scan.projected_schema.fields().iter().map(|field| field.name().clone()));
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(SqlError::engine)?;
    Ok(())
}
