//! The tables of a lake: the platform's own, and those that a program adds.

use crate::platform::{
    estimate_series, estimates, kpis, loads, memberships, quarantine, segment_history, tables, traits,
};
use crate::table::{Scope, Table};

/// What SQL calls the ledger of runs, which is no table of the lake.
pub const LEDGER: &str = "runs";

/// The kinds of table in a lake. What is listed here is found, maintained, examined and queried.
#[derive(Debug, Clone)]
pub struct Layout(Vec<Table>);

impl Default for Layout {
    /// The platform's tables.
    fn default() -> Self {
        Self(vec![
            tables::TABLES,
            traits::TRAITS,
            memberships::MEMBERSHIPS,
            quarantine::QUARANTINE,
            loads::LOADS,
            segment_history::SEGMENT_HISTORY,
            estimates::ESTIMATES,
            estimate_series::ESTIMATE_SERIES,
            kpis::KPIS,
        ])
    }
}

impl Layout {
    /// The same with one more kind of table.
    #[must_use]
    pub fn with(mut self, table: Table) -> Self {
        self.0.push(table);
        self
    }

    /// Whether SQL calls a table of the platform so, or the table of some entity or source.
    #[must_use]
    pub fn is_reserved(&self, sql_name: &str) -> bool {
        let name = sql_name.to_ascii_lowercase();
        let is_own = |table: &Table| match table.scope {
            Scope::Contract(_) => false,
            Scope::Lake(_) => name == table.folder,
            Scope::Source(_) | Scope::Entity(_) => {
                name.strip_prefix(table.folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
            }
        };
        name == LEDGER || self.0.iter().any(is_own)
    }

    /// All kinds of table.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.0
    }

    /// The kind of the table in a folder, and the entity, source or contract that it is for, if it is for
    /// one.
    #[must_use]
    pub fn find<'a>(&self, folder: &'a str) -> Option<(&Table, Option<&'a str>)> {
        self.0.iter().find_map(|table| match table.name_in(folder) {
            Some(name) => Some((table, Some(name))),
            None => (!table.is_one_of_many() && table.folder == folder).then_some((table, None)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_is_found_in_its_folder_and_in_no_other() {
        let layout = Layout::default();
        for table in layout.tables() {
            let (folder, name) = if table.is_one_of_many() {
                (table.of("x"), Some("x"))
            } else {
                (table.folder.to_owned(), None)
            };
            let found = layout.find(&folder).map(|(found, name)| (found.folder, name));
            assert_eq!(found, Some((table.folder, name)));
            assert!(layout.find(&format!("{folder}/y")).is_none());
        }
        for none in ["", "x", "tables", "tables/", "traits", "_sys/runs", "reports/weekly"] {
            assert!(layout.find(none).is_none(), "{none}");
        }
    }

    #[test]
    fn names_that_sql_has_for_the_platform_are_reserved() {
        let layout = Layout::default();
        for table in layout.tables().iter().filter(|table| !matches!(table.scope, Scope::Contract(_))) {
            assert!(layout.is_reserved(table.folder) && layout.is_reserved(&table.sql_name("x")));
        }
        for reserved in ["runs", "Traits", "TRAITS_customer", "quarantine_orders"] {
            assert!(layout.is_reserved(reserved), "{reserved}");
        }
        for free in ["orders", "tables", "traitsman", "loads_2026", "my_traits", "run", ""] {
            assert!(!layout.is_reserved(free), "{free}");
        }
    }

    #[test]
    fn sql_names_are_unique_but_for_the_tables_of_contracts() {
        let layout = Layout::default();
        let names: std::collections::BTreeSet<String> =
            layout.tables().iter().map(|table| table.sql_name("x")).collect();
        assert_eq!(names.len(), layout.tables().len(), "{names:?}");
    }
}
