//! A table contract that holds together: what every other crate works with.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

/// A named Arrow schema with key, kind and checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    /// The table's name in SQL and in the lake.
    pub table: String,
    /// What the table is for, if its author says.
    pub description: Option<String>,
    /// Whether a row is an event or an entity.
    pub kind: TableKind,
    /// The columns that identify a row; never empty, each of them not null.
    pub key: Vec<String>,
    /// What may change in later loads.
    pub evolution: Evolution,
    /// The columns in the order of the file.
    pub columns: Vec<Column>,
}

/// What a row of the table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableKind {
    /// Something that happened at an event time, about one or more entities.
    Event {
        /// (entity, column that holds its key), as declared.
        entities: Vec<(String, String)>,
        /// The column with the event time.
        event_time: String,
    },
    /// An entity that is segmented, such as a customer.
    Entity {
        /// The entity's name.
        entity: String,
        /// How many versions of a row there are.
        history: History,
        /// Who counts as an entity.
        universe: Universe,
    },
}

/// How many versions of an entity row there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum History {
    /// The latest row of each key; an earlier `as_of` sees it too.
    #[default]
    Latest,
    /// Every version, valid from the `as_of` of the run that brought it until the next one.
    Full,
}

/// Who counts as an entity when a segment returns ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Universe {
    /// Ids with a row in the entity table.
    #[default]
    Declared,
    /// Also every id seen in the entity's events.
    Observed,
}

/// What may change between a contract and the table that was made from an earlier edition of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evolution {
    /// Nothing.
    Frozen,
    /// Nullable columns may be added.
    #[default]
    Additive,
}

/// A column of a contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// Its Arrow type.
    pub data_type: DataType,
    /// Whether a row may leave it out.
    pub nullable: bool,
    /// A predicate over the row; a row for which it is false is rejected.
    pub check: Option<String>,
    /// The kind of personal data in it, such as `email`: its values do not stand in messages.
    pub pii: Option<String>,
    /// What it means.
    pub doc: Option<String>,
}

impl Contract {
    /// The contract's columns as an Arrow schema, in the contract's order.
    #[must_use]
    pub fn arrow_schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|c| Field::new(&c.name, c.data_type.clone(), c.nullable));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The column named `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Whether some column is marked as personal data.
    #[must_use]
    pub fn has_personal_data(&self) -> bool {
        self.columns.iter().any(|column| column.pii.is_some())
    }

    /// The event time column, when rows are events.
    #[must_use]
    pub fn event_time(&self) -> Option<&str> {
        match &self.kind {
            TableKind::Event { event_time, .. } => Some(event_time),
            TableKind::Entity { .. } => None,
        }
    }

    /// The entity that this table defines, when it is an entity table.
    #[must_use]
    pub fn entity(&self) -> Option<&str> {
        match &self.kind {
            TableKind::Entity { entity, .. } => Some(entity),
            TableKind::Event { .. } => None,
        }
    }

    /// The column that holds the key of `entity`: the key of its entity table, or what an event table
    /// declares.
    #[must_use]
    pub fn entity_column(&self, entity: &str) -> Option<&str> {
        match &self.kind {
            TableKind::Event { entities, .. } => {
                entities.iter().find(|(e, _)| e == entity).map(|(_, column)| column.as_str())
            }
            TableKind::Entity { entity: own, .. } => {
                (own == entity).then(|| self.key.first().map(String::as_str)).flatten()
            }
        }
    }

    /// How many versions of a row the table has; events have one.
    #[must_use]
    pub fn history(&self) -> History {
        match &self.kind {
            TableKind::Entity { history, .. } => *history,
            TableKind::Event { .. } => History::Latest,
        }
    }
}
