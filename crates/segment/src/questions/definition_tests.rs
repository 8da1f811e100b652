//! Known answers: the `tests:` of segments, each held against a replay at its own instant.

use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;
use tranche_project::{Diagnostic, Spanned, instant};
use tranche_sql::{Engine, Tables};

use crate::definition::definitions::Definitions;
use crate::definition::names::SegmentName;
use crate::definition::spec::{Scalar, TestSpec};
use crate::definition::validated::SegmentDefinition;
use crate::error::SegmentError;
use crate::questions::replay::{Replay, Replayed};

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TestReport {
    /// The segment, `set/label` where the test names a label.
    pub segment: String,
    /// The instant.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// The definition's file.
    pub file: String,
    /// Where the test stands in it, 1-based.
    pub line: u64,
    /// Whether every expectation held.
    pub passed: bool,
    /// How many keys were expected to be members.
    pub members: usize,
    /// How many were expected not to be.
    pub not_members: usize,
    /// Each expectation that did not hold.
    pub failures: Vec<TestFailure>,
    /// Keys that should be no members, and are none because there is no such entity: perhaps they are misspelt.
    pub unknown: Vec<Diagnostic>,
}

/// A key that is a member and should not be, or the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TestFailure {
    /// The key.
    pub key: String,
    /// Whether it should be a member.
    pub expected_member: bool,
    /// Where that is expected, and what is so instead.
    #[serde(flatten)]
    pub problem: Diagnostic,
}

/// Runs the tests of segments that `wanted` names (`vip`, `lifecycle`, `lifecycle/new`), or of all; each entity is evaluated once per
/// instant, and only what its tested segments need.
///
/// # Errors
/// [`SegmentError`] when a definition fails on the data; a test that fails is no error.
pub async fn run_tests(
    definitions: &Definitions,
    wanted: Option<&[String]>,
    tables: &Tables,
    engine: &Engine,
    zone: &TimeZone,
) -> Result<Vec<TestReport>, SegmentError> {
    let planned = plan(definitions, wanted, zone);
    let mut reports = Vec::new();
    for (entity, by_instant) in in_batches(&planned) {
        let names: Vec<String> =
            planned.iter().filter(|t| t.definition.entity == entity).map(PlannedTest::name).collect();
        let tables = open(definitions, entity, &names, by_instant.len(), tables, engine).await?;
        for (as_of, tests) in by_instant {
            let names: Vec<String> = tests.iter().map(|number| planned[*number].name()).collect();
            let replay = Replay { definitions, tables: &tables, engine, as_of };
            let mut replayed = replay.evaluate(entity, &names).await?;
            for number in tests {
                reports.push((number, planned[number].report(&mut replayed)?));
            }
        }
    }
    reports.sort_by_key(|(number, _)| *number);
    Ok(reports.into_iter().map(|(_, report)| report).collect())
}

/// A test of a definition, at an instant.
struct PlannedTest<'a> {
    definition: &'a SegmentDefinition,
    test: &'a TestSpec,
    as_of: Timestamp,
}

fn plan<'a>(
    definitions: &'a Definitions,
    wanted: Option<&[String]>,
    zone: &TimeZone,
) -> Vec<PlannedTest<'a>> {
    let mut planned = Vec::new();
    for definition in definitions.segments.values() {
        for test in &definition.tests {
            // An instant that cannot be read is a problem of its definition, reported when that is checked.
            let Ok(as_of) = instant::parse(&test.as_of.value, zone) else { continue };
            let planned_test = PlannedTest { definition, test, as_of };
            let name = planned_test.name();
            if wanted.is_none_or(|wanted| SegmentName::parse(&name).is_among(wanted)) {
                planned.push(planned_test);
            }
        }
    }
    planned
}

/// The numbers of tests by entity and instant.
fn in_batches<'a>(planned: &[PlannedTest<'a>]) -> IndexMap<&'a str, IndexMap<Timestamp, Vec<usize>>> {
    let mut batches: IndexMap<&str, IndexMap<Timestamp, Vec<usize>>> = IndexMap::new();
    for (number, test) in planned.iter().enumerate() {
        batches.entry(&test.definition.entity).or_default().entry(test.as_of).or_default().push(number);
    }
    batches
}

/// Tables that are read at several instants are held in memory.
async fn open(
    definitions: &Definitions,
    entity: &str,
    names: &[String],
    instants: usize,
    tables: &Tables,
    engine: &Engine,
) -> Result<Tables, SegmentError> {
    if instants < 2 {
        return Ok(tables.clone());
    }
    let replay = Replay { definitions, tables, engine, as_of: Timestamp::UNIX_EPOCH };
    let read = replay.scope(entity, names).await?.tables(definitions);
    Ok(tables.cached(engine, |table| read.contains(table)).await?)
}

impl PlannedTest<'_> {
    fn name(&self) -> String {
        match &self.test.label {
            Some(label) => SegmentName::labelled(&self.definition.name, &label.value).to_string(),
            None => self.definition.name.clone(),
        }
    }

    fn report(&self, replayed: &mut Replayed) -> Result<TestReport, SegmentError> {
        let members =
            replayed.members(self.definition, self.test.label.as_ref().map(|label| label.value.as_str()));
        let (mut failures, mut unknown) = (Vec::new(), Vec::new());
        for (keys, expected_member) in [(&self.test.members, true), (&self.test.not_members, false)] {
            for key in keys {
                let number = replayed.number_of(self.written(key))?;
                if number.is_none() && !expected_member {
                    unknown.push(self.unknown(key));
                }
                if number.is_some_and(|number| members.contains(number)) != expected_member {
                    failures.push(self.failure(key, expected_member, number.is_some()));
                }
            }
        }
        Ok(TestReport {
            segment: self.name(),
            as_of: self.as_of,
            file: self.definition.file.path().to_owned(),
            line: self.test.as_of.referenced.line(),
            passed: failures.is_empty(),
            members: self.test.members.len(),
            not_members: self.test.not_members.len(),
            failures,
            unknown,
        })
    }

    /// A key as its author wrote it, which is read as the key's type.
    fn written<'a>(&'a self, key: &'a Spanned<Scalar>) -> &'a str {
        match &key.value {
            Scalar::Text(text) => text,
            _ => self.definition.file.plain_scalar(key.referenced),
        }
    }

    fn unknown(&self, key: &Spanned<Scalar>) -> Diagnostic {
        let (shown, as_of, entity) = (self.written(key), self.as_of, &self.definition.entity);
        let message =
            format!("there is no {entity} `{shown}` as of {as_of}, so it is no member; is the key right?");
        self.definition.file.problem(key.referenced, message)
    }

    fn failure(&self, key: &Spanned<Scalar>, expected_member: bool, is_entity: bool) -> TestFailure {
        let shown = self.written(key).to_owned();
        let (name, as_of, entity) = (self.name(), self.as_of, &self.definition.entity);
        let message = match (expected_member, is_entity) {
            (true, true) => format!("`{shown}` is not in `{name}` as of {as_of}, expected to be"),
            (true, false) => {
                format!(
                    "`{shown}` is not in `{name}` as of {as_of}, expected to be: there is no such {entity} then"
                )
            }
            (false, _) => format!("`{shown}` is in `{name}` as of {as_of}, expected not to be"),
        };
        let help = format!("`tranche segment why {name} {shown} --as-of {as_of}` says why");
        let problem = self.definition.file.problem(key.referenced, message).with_help(help);
        TestFailure { key: shown, expected_member, problem }
    }
}
