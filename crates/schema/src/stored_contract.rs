//! What a table remembers of the contract that it was made by: the part that its rows depend on, and what a later edition may change.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{DataType, Schema};
use serde::{Deserialize, Serialize};

use crate::columns::{EVENT_DAY, FILE_NUMBER, VALID_FROM, VALID_TO};
use crate::{Contract, Evolution, History, TableKind, raw_type_name};

/// The part of a contract that the rows of its table depend on. Types are those of the table itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredContract {
    kind: StoredKind,
    key: BTreeSet<String>,
    columns: BTreeSet<String>,
}

/// What the rows are, and how they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredKind {
    /// By the day of this event time; saved sums are by these columns of entities.
    Event { event_time: String, entities: BTreeMap<String, String> },
    /// With every version of a row, or the latest.
    Entity { entity: String, has_versions: bool },
}

/// A change of a contract that its table cannot follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractChange {
    /// Where in the contract.
    pub part: ContractPart,
    /// What changed.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// A place in a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContractPart {
    /// `kind`.
    Kind,
    /// `entity`, and in a map of columns the entity.
    Entity(Option<String>),
    /// `key`.
    Key,
    /// `event_time`.
    EventTime,
    /// `history`.
    History,
    /// `columns`.
    Columns,
    /// The column of this name.
    Column(String),
}

/// The author's: a table was made by another contract than the one that it would be read or loaded by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("table `{table}` was made by another contract: {}", listed(.changes))]
pub struct ChangedContract {
    /// The table.
    pub table: String,
    /// What it cannot follow; never empty.
    pub changes: Vec<ContractChange>,
}

fn listed(changes: &[ContractChange]) -> String {
    changes.iter().map(|c| format!("{}; {}", c.message, c.help)).collect::<Vec<_>>().join("; ")
}

/// The way out that there always is.
const ANEW: &str = "or load into a new table, under another name at `table:`";

impl StoredContract {
    /// What a table remembers that is loaded by this contract.
    #[must_use]
    pub fn of(contract: &Contract) -> Self {
        let kind = match &contract.kind {
            TableKind::Event { entities, event_time } => StoredKind::Event {
                event_time: event_time.clone(),
                entities: entities.iter().cloned().collect(),
            },
            TableKind::Entity { entity, history, .. } => {
                StoredKind::Entity { entity: entity.clone(), has_versions: *history == History::Full }
            }
        };
        let columns = contract.columns.iter().map(|column| column.name.clone()).collect();
        Self { kind, key: contract.key.iter().cloned().collect(), columns }
    }

    /// What a table with these columns would remember, if it did: this contract, as far as its rows do not show another.
    #[must_use]
    pub fn of_rows(contract: &Contract, stored: &Schema) -> Self {
        let has = |name: &str| stored.field_with_name(name).is_ok();
        let mut remembered = Self::of(contract);
        remembered.columns.retain(|name| has(name));
        match &mut remembered.kind {
            StoredKind::Entity { .. } if has(EVENT_DAY) => {
                remembered.kind = StoredKind::Event { event_time: String::new(), entities: BTreeMap::new() };
            }
            StoredKind::Entity { has_versions, .. } => *has_versions = has(VALID_FROM),
            StoredKind::Event { .. } if has(VALID_FROM) => {
                remembered.kind = StoredKind::Entity { entity: String::new(), has_versions: true };
            }
            StoredKind::Event { .. } => {}
        }
        remembered
    }

    /// What a contract changes that a table with these columns cannot follow.
    ///
    /// # Errors
    /// [`ChangedContract`] with every such change.
    pub fn check(&self, contract: &Contract, stored: &Schema) -> Result<(), ChangedContract> {
        let mut changes = self.changed_kind(contract);
        changes.extend(self.changed_key(contract));
        changes.extend(self.changed_columns(contract, stored));
        match changes.is_empty() {
            true => Ok(()),
            false => Err(ChangedContract { table: contract.table.clone(), changes }),
        }
    }

    fn changed_kind(&self, contract: &Contract) -> Vec<ContractChange> {
        match (&self.kind, &contract.kind) {
            (StoredKind::Event { .. }, TableKind::Entity { .. }) => {
                vec![change(ContractPart::Kind, "the rows of the table are events".to_owned(), "kind: event")]
            }
            (StoredKind::Entity { .. }, TableKind::Event { .. }) => {
                let message = "the rows of the table are entities".to_owned();
                vec![change(ContractPart::Kind, message, "kind: entity")]
            }
            (
                StoredKind::Event { event_time, entities },
                TableKind::Event { entities: wanted, event_time: own },
            ) => {
                let mut changes = changed_entities(entities, wanted, contract.evolution);
                if event_time != own {
                    let message = format!(
                        "the rows of the table are stored by the days of `{event_time}`, not `{own}`"
                    );
                    let write = format!("event_time: {event_time}");
                    changes.push(change(ContractPart::EventTime, message, &write));
                }
                changes
            }
            (StoredKind::Entity { entity, has_versions }, TableKind::Entity { entity: own, history, .. }) => {
                let mut changes = Vec::new();
                if entity != own {
                    let message = format!("the rows of the table are of entity `{entity}`, not `{own}`");
                    changes.push(change(ContractPart::Entity(None), message, &format!("entity: {entity}")));
                }
                match (has_versions, history) {
                    (true, History::Latest) => changes.push(change(
                        ContractPart::History,
                        "the table holds every version of its rows".to_owned(),
                        "history: full",
                    )),
                    (false, History::Full) => changes.push(change(
                        ContractPart::History,
                        "the table holds the latest version of each row, and no earlier one".to_owned(),
                        "history: latest",
                    )),
                    _ => {}
                }
                changes
            }
        }
    }

    fn changed_key(&self, contract: &Contract) -> Option<ContractChange> {
        let own: BTreeSet<&String> = contract.key.iter().collect();
        if own.iter().copied().eq(&self.key) {
            return None;
        }
        let list = |names: &mut dyn Iterator<Item = &String>| {
            names.map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        let key = list(&mut self.key.iter());
        Some(ContractChange {
            part: ContractPart::Key,
            message: format!(
                "the rows of the table are one for each `{key}`, not for each `{}`",
                list(&mut own.into_iter())
            ),
            help: format!("write `key: [{key}]`, {ANEW}"),
        })
    }

    fn changed_columns(&self, contract: &Contract, stored: &Schema) -> Vec<ContractChange> {
        let mut changes = Vec::new();
        for name in self.columns.iter().filter(|name| contract.column(name).is_none()) {
            let data_type = stored.field_with_name(name).map(|field| raw_type_name(field.data_type()));
            let data_type = data_type.unwrap_or_else(|_| "utf8".to_owned());
            changes.push(ContractChange {
                part: ContractPart::Columns,
                message: format!("the table has a column `{name}`, which the contract lost"),
                help: format!("write `- {{name: {name}, type: '{data_type}'}}`, {ANEW}"),
            });
        }
        for column in &contract.columns {
            let part = ContractPart::Column(column.name.clone());
            let found = stored.field_with_name(&column.name).ok();
            if let Some(field) = found.filter(|field| !is_same(field.data_type(), &column.data_type)) {
                let (own, wanted) = (raw_type_name(field.data_type()), raw_type_name(&column.data_type));
                changes.push(ContractChange {
                    part,
                    message: format!("column `{}` is stored as {own}, not {wanted}", column.name),
                    help: format!("write `type: {own}`, {ANEW}"),
                });
            } else if !self.columns.contains(&column.name) {
                let new = format!("column `{}` is new", column.name);
                if contract.evolution == Evolution::Frozen {
                    changes.push(frozen(part, new));
                } else if !column.nullable {
                    changes.push(ContractChange {
                        part,
                        message: format!("{new} and must be nullable: rows that are stored do not have it"),
                        help: format!("write `nullable: true`, {ANEW}"),
                    });
                }
            }
        }
        changes
    }
}

/// What changed of the columns that name entities: there may be more of them.
fn changed_entities(
    entities: &BTreeMap<String, String>,
    wanted: &[(String, String)],
    evolution: Evolution,
) -> Vec<ContractChange> {
    let mut changes = Vec::new();
    for (entity, column) in entities {
        let found = wanted.iter().find(|(name, _)| name == entity);
        if found.is_some_and(|(_, own)| own == column) {
            continue;
        }
        let part = ContractPart::Entity(found.map(|(name, _)| name.clone()));
        let message = format!("the table names entity `{entity}` by its column `{column}`");
        changes.push(change(part, message, &format!("entity: {{{entity}: {column}}}")));
    }
    let new = wanted.iter().filter(|(name, _)| !entities.contains_key(name));
    for (name, _) in new.filter(|_| evolution == Evolution::Frozen) {
        let part = ContractPart::Entity(Some(name.clone()));
        changes.push(frozen(part, format!("entity `{name}` is new")));
    }
    changes
}

fn change(part: ContractPart, message: String, write: &str) -> ContractChange {
    ContractChange { part, message, help: format!("write `{write}`, {ANEW}") }
}

fn frozen(part: ContractPart, new: String) -> ContractChange {
    ContractChange {
        part,
        message: format!("{new}, and the contract is frozen"),
        help: format!("write `evolution: additive`, {ANEW}"),
    }
}

/// Whether two types hold the same values: a list's element may be named differently.
fn is_same(stored: &DataType, wanted: &DataType) -> bool {
    match (stored, wanted) {
        (DataType::List(a), DataType::List(b)) => is_same(a.data_type(), b.data_type()),
        (DataType::Utf8View | DataType::LargeUtf8, DataType::Utf8) => true,
        (a, b) => a == b,
    }
}

/// Columns that a contract may not have: the platform adds them to tables, or formats of tables use them.
const RESERVED_COLUMNS: [&str; 7] =
    [EVENT_DAY, FILE_NUMBER, VALID_FROM, VALID_TO, "_change_type", "_commit_version", "_commit_timestamp"];

/// Whether the platform has a use of its own for a column of this name in the table of a contract.
pub(crate) fn is_reserved(column: &str) -> bool {
    RESERVED_COLUMNS.iter().any(|reserved| reserved.eq_ignore_ascii_case(column))
}
