//! A table contract as its author wrote it, and the way from there to a [`Contract`].

use std::collections::HashSet;
use std::fmt;

use arrow::datatypes::DataType;
use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_yaml::{Location, Spanned};

use crate::columns::SEGMENT;
use crate::layout::Layout;
use crate::platform::memberships;
use crate::stored_contract::is_reserved;
use crate::{Column, Contract, ContractPart, Evolution, History, TableKind, Universe, parse_column_type};

/// Called with each problem of a definition: where it is and what to do about it.
type Report<'a> = dyn FnMut(Location, String) + 'a;

/// A table contract: `schemas/<table>.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tranche table contract")]
pub struct ContractSpec {
    /// The edition of this format: 1.
    #[schemars(with = "u32")]
    pub version: Spanned<u32>,
    /// The table's name in SQL and in the lake.
    #[schemars(with = "String")]
    pub table: Spanned<String>,
    /// What the table is for.
    #[serde(default, alias = "doc")]
    pub description: Option<String>,
    /// Whether a row is an event or an entity.
    #[schemars(with = "KindSpec")]
    pub kind: Spanned<KindSpec>,
    /// Entity tables: the entity's name. Event tables: which column names which entity, `{customer:
    /// customer_id}`.
    #[schemars(with = "EntitySchema")]
    pub entity: Spanned<EntitySpec>,
    /// The columns that identify a row; an entity table has one.
    #[schemars(with = "Vec<String>")]
    pub key: Spanned<Vec<Spanned<String>>>,
    /// Event tables: the timestamp column that says when it happened; partitions the table by day.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub event_time: Option<Spanned<String>>,
    /// Entity tables: how many versions of a row are kept (default latest).
    #[serde(default)]
    #[schemars(with = "Option<HistorySpec>")]
    pub history: Option<Spanned<HistorySpec>>,
    /// Entity tables: `observed` widens the universe to every id seen in the entity's events (default
    /// declared).
    #[serde(default)]
    #[schemars(with = "Option<UniverseSpec>")]
    pub universe: Option<Spanned<UniverseSpec>>,
    /// How old the newest load of the table may be, such as `26h`, before people are notified.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub freshness: Option<Spanned<String>>,
    /// What may change in a later edition of the contract (default additive).
    #[serde(default)]
    pub evolution: EvolutionSpec,
    /// The columns.
    #[schemars(with = "Vec<ColumnSpec>")]
    pub columns: Spanned<Vec<ColumnSpec>>,
}

/// `kind:` of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KindSpec {
    /// A row happened at an event time.
    Event,
    /// A row is an entity that is segmented, such as a customer.
    Entity,
}

/// `history:` of an entity contract.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistorySpec {
    /// Every version is kept.
    Full,
    /// Only the latest row of each key.
    Latest,
}

/// `universe:` of an entity contract.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UniverseSpec {
    /// Ids with a row in the entity table.
    Declared,
    /// Also every id seen in the entity's events.
    Observed,
}

/// `evolution:` of a contract.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvolutionSpec {
    /// Nothing may change.
    Frozen,
    /// Nullable columns may be added.
    #[default]
    Additive,
}

/// `entity:` of a contract: a name, or a map from entity to column.
#[derive(Debug)]
pub enum EntitySpec {
    /// The entity that an entity table defines.
    Name(String),
    /// The columns of an event table that name entities.
    Columns(Vec<(String, Spanned<String>)>),
}

/// How an editor sees [`EntitySpec`].
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its JSON Schema is used")]
enum EntitySchema {
    /// The entity that an entity table defines.
    Name(String),
    /// The columns of an event table that name entities.
    Columns(std::collections::BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for EntitySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntityVisitor;
        impl<'de> Visitor<'de> for EntityVisitor {
            type Value = EntitySpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an entity's name, or a map from entity to column such as {customer: customer_id}",
                )
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(EntitySpec::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut columns = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    columns.push(entry);
                }
                Ok(EntitySpec::Columns(columns))
            }
        }
        deserializer.deserialize_any(EntityVisitor)
    }
}

/// One column of a contract.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnSpec {
    /// The column's name.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// int32, int64, float64, utf8, boolean, date32, timestamp(us, UTC), decimal(p,s) or list(utf8).
    #[serde(rename = "type")]
    #[schemars(with = "String")]
    pub data_type: Spanned<String>,
    /// Whether a row may leave it out (default true; key columns and the event time never may).
    #[serde(default)]
    pub nullable: Option<bool>,
    /// A predicate over the row, such as `amount >= 0`; a row for which it is false is quarantined.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub check: Option<Spanned<String>>,
    /// The kind of personal data in it, such as `email`.
    #[serde(default)]
    pub pii: Option<String>,
    /// What it means.
    #[serde(default, alias = "description")]
    pub doc: Option<String>,
}

impl ContractSpec {
    /// The contract that the author means, as far as possible: with every problem reported, what else refers
    /// to the table can still be checked. `None` when not even the kind of table is clear.
    pub fn validate(self, report: &mut Report<'_>) -> Option<Contract> {
        let mut problem = |location: Location, message: String| report(location, message);
        if self.version.value != 1 {
            problem(
                self.version.referenced,
                format!("version {} is not known; write `version: 1`", self.version.value),
            );
        }
        check_name("table", &self.table, &mut problem);
        if Layout::default().is_reserved(&self.table.value) {
            let name = &self.table.value;
            let message =
                format!("`{name}` is what SQL calls a table of the platform; give this one another name");
            problem(self.table.referenced, message);
        }
        let mut columns = validate_columns(&self.columns, &mut problem);
        let key = self.validate_key(&mut columns, &mut problem);
        let kind = match self.kind.value {
            KindSpec::Event => self.validate_event(&mut columns, &mut problem),
            KindSpec::Entity => self.validate_entity(&mut problem),
        };
        let evolution = match self.evolution {
            EvolutionSpec::Frozen => Evolution::Frozen,
            EvolutionSpec::Additive => Evolution::Additive,
        };
        Some(Contract {
            table: self.table.value,
            description: self.description,
            kind: kind?,
            key,
            evolution,
            columns,
        })
    }

    /// Where a part of the contract stands, or what says that it is not there.
    #[must_use]
    pub fn place_of(&self, part: &ContractPart) -> Location {
        let entity = || match &self.entity.value {
            EntitySpec::Columns(pairs) => pairs.as_slice(),
            EntitySpec::Name(_) => &[],
        };
        let found = match part {
            ContractPart::Kind => Some(self.kind.referenced),
            ContractPart::Entity(None) => Some(self.entity.referenced),
            ContractPart::Entity(Some(name)) => Some(
                entity()
                    .iter()
                    .find(|(own, _)| own == name)
                    .map_or(self.entity.referenced, |(_, at)| at.referenced),
            ),
            ContractPart::Key => Some(self.key.referenced),
            ContractPart::EventTime => self.event_time.as_ref().map(|at| at.referenced),
            ContractPart::History => self.history.as_ref().map(|at| at.referenced),
            ContractPart::Columns => Some(self.columns.referenced),
            ContractPart::Column(name) => {
                self.columns.value.iter().find(|column| column.name.value == *name).map(|c| c.name.referenced)
            }
        };
        found.unwrap_or(self.table.referenced)
    }

    fn validate_key(&self, columns: &mut [Column], problem: &mut Report<'_>) -> Vec<String> {
        let beside = [SEGMENT, memberships::ENTERED_AT, memberships::EXITED_AT];
        for name in self.key.value.iter().filter(|_| self.kind.value == KindSpec::Entity) {
            if beside.contains(&name.value.as_str()) {
                let message = format!(
                    "`{}` stands beside the key in tables of memberships; name the key otherwise",
                    name.value
                );
                problem(name.referenced, message);
            }
        }
        if self.key.value.is_empty() {
            problem(self.key.referenced, "a key needs at least one column".into());
        }
        if self.kind.value == KindSpec::Entity && self.key.value.len() > 1 {
            problem(self.key.referenced, "an entity table has exactly one key column".into());
        }
        for name in &self.key.value {
            require_column(columns, name, "key", problem);
        }
        self.key.value.iter().map(|name| name.value.clone()).collect()
    }

    fn validate_event(&self, columns: &mut [Column], problem: &mut Report<'_>) -> Option<TableKind> {
        for (given, name, location) in [
            (self.history.is_some(), "history", self.history.as_ref().map(|h| h.referenced)),
            (self.universe.is_some(), "universe", self.universe.as_ref().map(|u| u.referenced)),
        ] {
            if given {
                problem(
                    location.unwrap_or(self.table.referenced),
                    format!("`{name}` is for entity tables; remove it"),
                );
            }
        }
        let entities = match &self.entity.value {
            EntitySpec::Columns(pairs) => pairs,
            EntitySpec::Name(name) => {
                let message = format!(
                    "an event table says which column names the entity: `entity: {{{name}: <column>}}`"
                );
                problem(self.entity.referenced, message);
                return None;
            }
        };
        for (entity, column) in entities {
            check_name_at("entity", entity, column.referenced, problem);
            if !columns.iter().any(|c| c.name == column.value) {
                problem(column.referenced, unknown_column(&column.value, columns));
            }
        }
        let Some(event_time) = &self.event_time else {
            problem(self.table.referenced, "an event table needs `event_time: <timestamp column>`".into());
            return None;
        };
        require_column(columns, event_time, "event_time", problem);
        if let Some(column) = columns.iter().find(|c| c.name == event_time.value)
            && !matches!(column.data_type, DataType::Timestamp(..))
        {
            problem(
                event_time.referenced,
                format!("event_time `{}` must be of type timestamp(us, UTC)", column.name),
            );
        }
        let entities =
            entities.iter().map(|(entity, column)| (entity.clone(), column.value.clone())).collect();
        Some(TableKind::Event { entities, event_time: event_time.value.clone() })
    }

    fn validate_entity(&self, problem: &mut Report<'_>) -> Option<TableKind> {
        if let Some(event_time) = &self.event_time {
            problem(event_time.referenced, "`event_time` is for event tables; remove it".into());
        }
        let EntitySpec::Name(entity) = &self.entity.value else {
            problem(self.entity.referenced, "an entity table names its entity: `entity: customer`".into());
            return None;
        };
        check_name_at("entity", entity, self.entity.referenced, problem);
        let history = match self.history.as_ref().map(|h| h.value) {
            Some(HistorySpec::Full) => History::Full,
            Some(HistorySpec::Latest) | None => History::Latest,
        };
        let universe = match self.universe.as_ref().map(|u| u.value) {
            Some(UniverseSpec::Observed) => Universe::Observed,
            Some(UniverseSpec::Declared) | None => Universe::Declared,
        };
        Some(TableKind::Entity { entity: entity.clone(), history, universe })
    }
}

fn validate_columns(specs: &Spanned<Vec<ColumnSpec>>, problem: &mut Report<'_>) -> Vec<Column> {
    if specs.value.is_empty() {
        problem(specs.referenced, "a table needs at least one column".into());
    }
    let mut seen = HashSet::new();
    let mut columns = Vec::new();
    for spec in &specs.value {
        check_name("column", &spec.name, problem);
        if is_reserved(&spec.name.value) {
            let message =
                format!("`{}` is a column of the platform's own; name this one otherwise", spec.name.value);
            problem(spec.name.referenced, message);
        }
        if !seen.insert(spec.name.value.clone()) {
            problem(spec.name.referenced, format!("column `{}` is declared twice", spec.name.value));
        }
        match parse_column_type(&spec.data_type.value) {
            Ok(data_type) => columns.push(Column {
                name: spec.name.value.clone(),
                data_type,
                nullable: spec.nullable.unwrap_or(true),
                check: spec.check.as_ref().map(|check| check.value.clone()),
                pii: spec.pii.clone(),
                doc: spec.doc.clone(),
            }),
            Err(error) => {
                problem(spec.data_type.referenced, error.to_string());
                // Others may still refer to the column: one mistake, one message.
                columns.push(Column {
                    name: spec.name.value.clone(),
                    data_type: DataType::Null,
                    nullable: true,
                    check: None,
                    pii: None,
                    doc: None,
                });
            }
        }
    }
    columns
}

/// A key or event time column exists and is never null, whether its author says so or not.
fn require_column(columns: &mut [Column], name: &Spanned<String>, role: &str, problem: &mut Report<'_>) {
    match columns.iter_mut().find(|c| c.name == name.value) {
        Some(column) => column.nullable = false,
        None => problem(name.referenced, format!("{role}: {}", unknown_column(&name.value, columns))),
    }
}

fn unknown_column(name: &str, columns: &[Column]) -> String {
    let known: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    format!("no column `{name}`; the table has {}", known.join(", "))
}

/// The most characters of the name of a table or an entity, which double as folders: no disk has longer names than 255 bytes.
const MOST_NAME_CHARACTERS: usize = 128;

/// Names go without quotes in SQL, and double as folders.
fn check_name(what: &str, name: &Spanned<String>, problem: &mut Report<'_>) {
    check_name_at(what, &name.value, name.referenced, problem);
}

fn check_name_at(what: &str, name: &str, at: Location, problem: &mut Report<'_>) {
    let mut chars = name.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !starts || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        problem(
            at,
            format!("{what} name `{name}` must be letters, digits and `_`, not starting with a digit"),
        );
    } else if name.len() > MOST_NAME_CHARACTERS && what != "column" {
        let (length, most) = (name.len(), MOST_NAME_CHARACTERS);
        problem(
            at,
            format!("this {what} name has {length} characters, and names have at most {most}; shorten it"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str, expected: &[(u64, u64, &str)]) {
        let spec: ContractSpec = serde_yaml::from_str(yaml).unwrap_or_else(|e| panic!("{e}"));
        let mut problems = Vec::new();
        let contract = spec.validate(&mut |at, message| problems.push((at.line(), at.column(), message)));
        assert!(contract.is_some(), "{problems:?}");
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for ((line, column, message), (l, c, part)) in problems.iter().zip(expected) {
            assert_eq!((line, column), (l, c), "{message}");
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_sound_event_contract_has_no_problems() {
        check(
            "version: 1\ntable: orders\nkind: event\nentity: {customer: who}\nkey: [id]\nevent_time: at\ncolumns:\n  - {name: id, type: utf8}\n  - {name: who, type: utf8}\n  - {name: at, type: 'timestamp(us, UTC)'}\n",
            &[],
        );
    }

    #[test]
    fn every_problem_is_reported_where_it_is() {
        check(
            "version: 2\ntable: orders\nkind: event\nentity: {customer: whom}\nkey: [id, nr]\nevent_time: id\ncolumns:\n  - {name: id, type: text}\n",
            &[
                (1, 10, "version 2"),
                (8, 22, "unknown column type `text`"),
                (5, 11, "no column `nr`"),
                (4, 20, "no column `whom`"),
                (6, 13, "must be of type timestamp"),
            ],
        );
    }

    #[test]
    fn an_entity_table_has_one_key() {
        check(
            "version: 1\ntable: t\nkind: entity\nentity: e\nkey: [a, b]\ncolumns: [{name: a, type: int64}, {name: b, type: int64}]\n",
            &[(5, 6, "exactly one key")],
        );
    }

    #[test]
    fn names_of_the_platform_are_reported() {
        check(
            "version: 1\ntable: Loads\nkind: entity\nentity: a/b\nkey: [segment]\ncolumns:\n  - {name: segment, type: int64}\n  - {name: _valid_from, type: int64}\n  - {name: _DAY, type: int64}\n",
            &[
                (2, 8, "`Loads` is what SQL calls a table of the platform"),
                (8, 12, "`_valid_from` is a column of the platform's own"),
                (9, 12, "`_DAY` is a column of the platform's own"),
                (5, 7, "`segment` stands beside the key"),
                (4, 9, "entity name `a/b` must be letters"),
            ],
        );
    }
}
