//! The traits and segments of a pipeline, read from its files and validated without looking at any data.

use std::collections::HashMap;

use indexmap::IndexMap;
use tranche_project::{
    DefinitionKind, Position, Problems, Project, SourceFile, Spanned, already_defined, check_name, duration,
    front_matter, instant,
};
use tranche_schema::{Contract, Universe};

use super::in_segment::references;
use super::names::SegmentName;
use super::order;
use super::spec::{ExpectSpec, SegmentSpec, TestSpec, TraitsSpec};
use super::validated::{Expectation, SegmentDefinition, SegmentKind, TraitsDefinition};

/// Traits and segments that hold together, with the contracts that they query.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    /// The project's table contracts, by table.
    pub contracts: IndexMap<String, Contract>,
    /// The traits, by name of the file's group.
    pub traits: IndexMap<String, TraitsDefinition>,
    /// The segments and segment sets by name, each after those that it refers to.
    pub segments: IndexMap<String, SegmentDefinition>,
}

impl Definitions {
    /// Reads the traits and segments of a pipeline; problems are reported and what is unsound is left out.
    pub fn read(
        project: &Project,
        pipeline: &str,
        contracts: &IndexMap<String, Contract>,
        problems: &mut Problems,
    ) -> Self {
        let mut definitions = Self { contracts: contracts.clone(), ..Self::default() };
        for file in project.definitions(pipeline, DefinitionKind::Traits) {
            if let Some(spec) = front_matter::read::<TraitsSpec>(file, problems) {
                definitions.add_traits(spec, file, problems);
            }
        }
        let mut segments = IndexMap::new();
        for file in project.definitions(pipeline, DefinitionKind::Segment) {
            let Some(spec) = front_matter::read::<SegmentSpec>(file, problems) else { continue };
            if let Some(definition) = definitions.segment(spec, file, problems) {
                add_segment(&mut segments, definition, problems);
            }
        }
        link_groups(&mut segments, problems);
        definitions.segments = order::in_order(segments, problems);
        definitions
    }

    /// The contract of an entity's own table.
    #[must_use]
    pub fn entity_contract(&self, entity: &str) -> Option<&Contract> {
        self.contracts.values().find(|contract| contract.entity() == Some(entity))
    }

    /// The key column of an entity.
    #[must_use]
    pub fn key(&self, entity: &str) -> Option<&str> {
        self.entity_contract(entity)?.key.first().map(String::as_str)
    }

    /// Whether a column holds an entity's key: the key itself, or a column that a contract says holds it.
    pub(crate) fn is_key_name(&self, column: &str, entity: &str) -> bool {
        self.contracts.values().any(|contract| contract.entity_column(entity) == Some(column))
    }

    /// Who counts as an entity.
    #[must_use]
    pub fn universe(&self, entity: &str) -> Universe {
        match self.entity_contract(entity).map(|contract| &contract.kind) {
            Some(tranche_schema::TableKind::Entity { universe, .. }) => *universe,
            _ => Universe::Declared,
        }
    }

    /// The entities that traits or segments are defined for, in the order of their first mention.
    #[must_use]
    pub fn entities(&self) -> Vec<&str> {
        let mut entities: Vec<&str> = Vec::new();
        let named = self
            .segments
            .values()
            .map(|s| s.entity.as_str())
            .chain(self.traits.values().map(|t| t.entity.as_str()));
        for entity in named {
            if !entities.contains(&entity) {
                entities.push(entity);
            }
        }
        entities
    }

    /// The definition that a segment's full name (`vip`, `lifecycle/new`) or a pattern (`lifecycle/*`) belongs to.
    #[must_use]
    pub fn definition_of(&self, segment: &str) -> Option<&SegmentDefinition> {
        let SegmentName { definition, label } = SegmentName::parse(segment);
        let found = self.segments.get(definition);
        found.filter(|definition| label.is_none() || definition.kind == SegmentKind::Set)
    }

    fn add_traits(&mut self, spec: TraitsSpec, file: &SourceFile, problems: &mut Problems) {
        self.check_entity(&spec.entity, file, problems);
        check_name("traits", &spec.traits.value, file, spec.traits.referenced, problems);
        let name = spec.traits.value;
        if let Some(other) = self.traits.get(&name) {
            let message = format!("traits `{name}` are already defined in {}", other.file.path());
            return problems.report(file, spec.traits.referenced, message);
        }
        let definition = TraitsDefinition {
            name: name.clone(),
            entity: spec.entity.value,
            description: spec.description,
            defaults: spec.defaults,
            file: file.clone(),
        };
        self.traits.insert(name, definition);
    }

    fn segment(
        &self,
        spec: SegmentSpec,
        file: &SourceFile,
        problems: &mut Problems,
    ) -> Option<SegmentDefinition> {
        self.check_entity(&spec.entity, file, problems);
        let (name, kind) = match (spec.segment, spec.segment_set) {
            (Some(name), None) => (name, SegmentKind::Single),
            (None, Some(name)) => (name, SegmentKind::Set),
            _ => {
                problems.report(file, Position::START, "name it with one of `segment:` and `segment_set:`");
                return None;
            }
        };
        let at = Position::from(name.referenced);
        if SegmentName::parse(&name.value).label.is_some()
            || name.value == crate::EVERYONE
            || name.value.trim().is_empty()
        {
            problems.report(file, at, format!("`{}` cannot be the name of a segment", name.value));
        }
        validate_tests(&spec.tests, kind, file, problems);
        let expect =
            spec.expect.map_or_else(Expectation::default, |expect| validate_expect(&expect, file, problems));
        let group = validate_group(spec.group, spec.priority, file, problems);
        let freshness = spec.freshness.and_then(|text| match duration::parse(&text.value) {
            Ok(duration) => Some(duration),
            Err(message) => {
                problems.report(file, text.referenced, message);
                None
            }
        });
        let key = self.key(&spec.entity.value);
        // An SQL mistake is reported where it is checked against the contracts.
        let references = key.map(|_| references(file.text())).unwrap_or_default();
        let needs = references.into_iter().map(|reference| reference.segment).collect();
        Some(SegmentDefinition {
            name: name.value,
            named_at: at,
            kind,
            entity: spec.entity.value,
            description: spec.description,
            owner: spec.owner,
            tags: spec.tags,
            expect,
            freshness,
            tests: spec.tests,
            group,
            needs,
            file: file.clone(),
        })
    }

    fn check_entity(&self, entity: &Spanned<String>, file: &SourceFile, problems: &mut Problems) {
        if self.entity_contract(&entity.value).is_some() {
            return;
        }
        let known: Vec<&str> = self.contracts.values().filter_map(Contract::entity).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!(
            "no contract defines the entity `{}`; the entity tables in schemas/ define {known}",
            entity.value
        );
        problems.report(file, entity.referenced, message);
    }
}

/// The group that makes a segment exclude others, and its rank in it: one needs the other.
fn validate_group(
    group: Option<Spanned<String>>,
    priority: Option<Spanned<u32>>,
    file: &SourceFile,
    problems: &mut Problems,
) -> Option<(String, Spanned<u32>)> {
    match (group, priority) {
        (Some(group), Some(priority)) => return Some((group.value, priority)),
        (Some(group), None) => {
            problems.report(file, group.referenced, "a group needs a `priority:` for each of its segments");
        }
        (None, Some(priority)) => {
            let message = "`priority:` has a meaning only within a `group:`";
            problems.report(file, priority.referenced, message);
        }
        (None, None) => {}
    }
    None
}

/// Adds a segment unless its name is taken.
fn add_segment(
    segments: &mut IndexMap<String, SegmentDefinition>,
    definition: SegmentDefinition,
    problems: &mut Problems,
) {
    if let Some(other) = segments.get(&definition.name) {
        let message = already_defined("segment", &definition.name, &other.file);
        return problems.report(&definition.file, definition.named_at, message);
    }
    segments.insert(definition.name.clone(), definition);
}

fn validate_tests(tests: &[TestSpec], kind: SegmentKind, file: &SourceFile, problems: &mut Problems) {
    for test in tests {
        if let Err(message) = instant::parse(&test.as_of.value, &jiff::tz::TimeZone::UTC) {
            problems.report(file, test.as_of.referenced, message);
        }
        if let Some(label) = test.label.as_ref().filter(|_| kind == SegmentKind::Single) {
            problems.report(file, label.referenced, "`label:` has a meaning only in a segment set");
        }
        if test.members.is_empty() && test.not_members.is_empty() {
            problems.report(
                file,
                test.as_of.referenced,
                "this test expects nothing; list keys under `members` or `not_members`",
            );
        }
    }
}

fn validate_expect(expect: &Spanned<ExpectSpec>, file: &SourceFile, problems: &mut Problems) -> Expectation {
    let ExpectSpec { min_size, max_size, share, max_turnover, not_empty } = expect.value.clone();
    if let Some(share) = &share
        && let [low, high] = share.value
        && !(0.0 <= low && low <= high && high <= 1.0)
    {
        problems.report(file, share.referenced, "share is a range within [0, 1], such as [0.01, 0.10]");
    }
    if let Some(turnover) = max_turnover.as_ref().filter(|turnover| turnover.value < 0.0) {
        problems.report(file, turnover.referenced, "max_turnover is a share of the members, such as 0.2");
    }
    let min_size = if not_empty == Some(true) { Some(min_size.unwrap_or(0).max(1)) } else { min_size };
    Expectation {
        min_size,
        max_size,
        share: share.map(|s| s.value),
        max_turnover: max_turnover.map(|t| t.value),
        may_become_empty: not_empty == Some(false),
    }
}

/// In a group, every segment comes after those with a lower priority number.
fn link_groups(segments: &mut IndexMap<String, SegmentDefinition>, problems: &mut Problems) {
    let mut groups: HashMap<String, Vec<(u32, String, Position)>> = HashMap::new();
    for segment in segments.values() {
        if let Some((group, priority)) = &segment.group {
            groups.entry(group.clone()).or_default().push((
                priority.value,
                segment.name.clone(),
                priority.referenced.into(),
            ));
        }
    }
    for (group, mut members) in groups {
        members.sort();
        for pair in members.windows(2) {
            let [(first, earlier, _), (second, later, at)] = pair else { continue };
            let Some(segment) = segments.get_mut(later) else { continue };
            if first == second {
                let message =
                    format!("`{earlier}` has priority {first} in group `{group}` too; give each its own");
                problems.report(&segment.file, *at, message);
            }
            if !segment.needs.contains(earlier) {
                segment.needs.push(earlier.clone());
            }
        }
    }
}

#[cfg(test)]
#[path = "definitions_tests.rs"]
mod tests;
