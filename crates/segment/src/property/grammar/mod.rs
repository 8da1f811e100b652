//! Random definitions: everything that can share a scan, and some that cannot.
//!
//! Only SQL that means the same in every dialect is written, so that any difference in the answers is a mistake of an engine:
//! no division of whole numbers, no backslash in LIKE, no text of a number, no ALL in INTERSECT and EXCEPT, and an order without ties.

mod aggregate;
mod avoided;
mod fired;
mod logic;
mod member;
mod predicate;
mod relation;
mod test;
mod traits;

use super::data::World;
use super::random::Random;
use super::table::{ENTITY, Kind, Table};

use avoided::Avoided;
pub(super) use fired::Fired;

/// What a file defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Traits,
    Segment,
    Set,
}

/// A definition, as a file and as something that is evaluated elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) sql: String,
    /// Traits and their values for entities without a row, written the same in YAML and in SQL.
    pub(super) defaults: Vec<(String, String)>,
    /// The group of exclusive segments, and the place in it.
    pub(super) group: Option<(String, usize)>,
}

impl Definition {
    /// A segment of this name.
    pub(super) fn segment(name: &str, sql: &str) -> Self {
        Self {
            role: Role::Segment,
            name: name.to_owned(),
            sql: sql.to_owned(),
            defaults: Vec::new(),
            group: None,
        }
    }

    pub(super) fn path(&self) -> String {
        let folder = if self.role == Role::Traits { "traits" } else { "segments" };
        format!("pipelines/{}/{folder}/{}.sql", super::lake::PIPELINE, self.name)
    }

    pub(super) fn text(&self) -> String {
        let kind = match self.role {
            Role::Traits => "traits",
            Role::Segment => "segment",
            Role::Set => "segment_set",
        };
        let mut front = format!("{kind}: {}\nentity: {ENTITY}\n", self.name);
        if self.role != Role::Traits {
            // Random segments are emptied by chance; that a published one must not be is tested elsewhere.
            front.push_str("expect: {not_empty: false}\n");
        }
        if !self.defaults.is_empty() {
            let pairs: Vec<String> =
                self.defaults.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            front += &format!("defaults: {{{}}}\n", pairs.join(", "));
        }
        if let Some((group, priority)) = &self.group {
            front += &format!("group: {group}\npriority: {priority}\n");
        }
        format!("/*---\n{front}---*/\n{}\n", self.sql)
    }
}

/// What an expression gives, and so what it can be compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sort {
    Integer,
    Decimal,
    Float,
    /// A number that engines round differently in its last digits.
    Rough,
    Text(&'static [&'static str]),
    Truth,
    Day,
    Instant,
}

impl From<Kind> for Sort {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Int32 | Kind::Int64 => Self::Integer,
            Kind::Decimal => Self::Decimal,
            Kind::Float => Self::Float,
            Kind::Text(texts) => Self::Text(texts),
            Kind::Truth => Self::Truth,
            Kind::Day => Self::Day,
            Kind::Instant => Self::Instant,
        }
    }
}

/// Writes definitions over the tables of a world.
pub(super) struct Grammar<'a> {
    world: &'a World,
    random: Random,
    fired: &'a mut Fired,
    /// Traits that are defined so far.
    traits: Vec<(String, Sort)>,
    /// Segments that are defined so far, `set/label` for those of a set.
    segments: Vec<String>,
    /// What this definition has used of what the engine gets wrong.
    avoided: Avoided,
}

/// The definitions of a seed.
pub(super) fn definitions(world: &World, seed: u64, fired: &mut Fired) -> Vec<Definition> {
    let mut grammar = Grammar::new(world, Random::new(seed, 2), fired);
    let mut found = Vec::new();
    for number in 0..grammar.random.below(3) {
        grammar.avoided = Avoided::default();
        found.push(grammar.traits(number));
    }
    for number in 0..3 + grammar.random.below(6) {
        grammar.avoided = Avoided::default();
        let definition =
            if grammar.random.chance(15) { grammar.set(number) } else { grammar.segment(number) };
        found.push(definition);
    }
    found
}

/// Another segment under the name and in the place of one that was there, as when its author thinks again.
pub(super) fn rewritten(world: &World, old: &Definition, seed: u64, fired: &mut Fired) -> Definition {
    let mut grammar = Grammar::new(world, Random::new(seed, 3), fired);
    Definition { sql: grammar.members(), ..old.clone() }
}

impl<'a> Grammar<'a> {
    fn new(world: &'a World, random: Random, fired: &'a mut Fired) -> Self {
        Self { world, random, fired, traits: Vec::new(), segments: Vec::new(), avoided: Avoided::default() }
    }

    fn segment(&mut self, number: usize) -> Definition {
        let name = format!("s{number}");
        let sql = self.members();
        let group = self.random.chance(20).then(|| {
            self.fire("group");
            (self.random.pick(&["tier", "offer"]).to_owned(), number + 1)
        });
        self.segments.push(name.clone());
        Definition { group, ..Definition::segment(&name, &sql) }
    }

    fn fire(&mut self, production: &'static str) {
        self.fired.count(production);
    }

    /// One of the event tables.
    fn events(&mut self) -> &'a Table {
        let tables = self.world.events();
        &tables[if self.random.chance(70) { 0 } else { 1 }]
    }

    /// A column under an alias, if there is one.
    fn qualified(alias: &str, column: &str) -> String {
        if alias.is_empty() { column.to_owned() } else { format!("{alias}.{column}") }
    }
}

/// Conditions that all must hold, as a clause; nothing when there are none.
fn where_all(conditions: &[String]) -> String {
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}
