//! A kind of table in the lake: its folder, its columns, its maintenance.

use arrow::datatypes::SchemaRef;

use crate::columns::EVENT_DAY;
use crate::contract::Contract;

/// A kind of table in the lake.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its folder, relative to the lake. Where there is a table for each of something, each has a folder of
    /// its own in it.
    pub folder: &'static str,
    /// How many there are, and the columns of each.
    pub scope: Scope,
    /// How its files are grouped into folders.
    pub partitioning: Partitioning,
    /// Who merges its small files.
    pub compaction: Compaction,
    /// How long files that its latest version does not need stay.
    pub retention: Retention,
}

/// Of what there is a table each, with the columns that it has before anything is written.
#[derive(Debug, Clone, Copy)]
pub enum Scope {
    /// One table in the lake.
    Lake(fn() -> SchemaRef),
    /// One for each source.
    Source(fn() -> SchemaRef),
    /// One for each contract.
    Contract(fn(&Contract) -> SchemaRef),
    /// One for each entity, its columns derived from the contract that defines the entity.
    Entity(fn(&Contract) -> SchemaRef),
}

/// How the files of a table are grouped into folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitioning {
    /// Not at all.
    None,
    /// By the UTC day of the event where rows are events, otherwise not at all.
    EventDay,
}

/// Who merges the small files of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compaction {
    /// The step `maintain`.
    Maintenance,
    /// The step that writes it, which depends on how rows lie in files.
    Writer,
}

/// How long something in the lake stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Files of earlier versions: as long as the project's `retention.versions`.
    Versions,
    /// What belongs to a run: as long as the project's `retention.runs`.
    Runs,
    /// As long as the definition that it is for.
    Definition,
    /// This many days.
    Days(u16),
    /// For ever.
    Forever,
}

impl Table {
    /// A table without partitions, maintained by the step `maintain`, whose earlier versions stay as the
    /// project says.
    #[must_use]
    pub const fn new(folder: &'static str, scope: Scope) -> Self {
        let (partitioning, compaction) = (Partitioning::None, Compaction::Maintenance);
        Self { folder, scope, partitioning, compaction, retention: Retention::Versions }
    }

    /// The partition columns of the table for a contract.
    #[must_use]
    pub fn partition_columns(&self, contract: &Contract) -> &'static [&'static str] {
        match self.partitioning {
            Partitioning::EventDay if contract.event_time().is_some() => &[EVENT_DAY],
            Partitioning::EventDay | Partitioning::None => &[],
        }
    }

    /// The folder of the table for an entity, a source or a contract.
    #[must_use]
    pub fn of(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// Whether there is one table for each of something, rather than one in the lake.
    #[must_use]
    pub fn is_one_of_many(&self) -> bool {
        !matches!(self.scope, Scope::Lake(_))
    }

    /// What `name` is in the folder of one of the tables: `customer` for `traits/customer`.
    #[must_use]
    pub fn name_in<'a>(&self, folder: &'a str) -> Option<&'a str> {
        let name = folder.strip_prefix(self.folder)?.strip_prefix('/')?;
        (self.is_one_of_many() && !name.is_empty() && !name.contains('/')).then_some(name)
    }

    /// What SQL calls the table for an entity, a source or a contract: rows of a contract go by the
    /// contract's name alone.
    #[must_use]
    pub fn sql_name(&self, name: &str) -> String {
        match self.scope {
            Scope::Lake(_) => self.folder.to_owned(),
            Scope::Contract(_) => name.to_owned(),
            Scope::Source(_) | Scope::Entity(_) => format!("{}_{name}", self.folder),
        }
    }

    /// The columns, where they depend on no contract.
    #[must_use]
    pub fn fixed_schema(&self) -> Option<SchemaRef> {
        match self.scope {
            Scope::Lake(schema) | Scope::Source(schema) => Some(schema()),
            Scope::Contract(_) | Scope::Entity(_) => None,
        }
    }

    /// The columns of the table for a contract, or for the entity that a contract defines.
    #[must_use]
    pub fn schema(&self, contract: &Contract) -> SchemaRef {
        match self.scope {
            Scope::Lake(schema) | Scope::Source(schema) => schema(),
            Scope::Contract(schema) | Scope::Entity(schema) => schema(contract),
        }
    }
}
