//! Day after day: what refreshes publish is what a full evaluation finds at each instant.
//!
//! Events come late, are corrected and taken back; people come, change and go; authors think again. Each change goes to the lake as a
//! load would bring it: rows that replace nothing are appended, and days that hold a replaced row are rewritten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use datafusion::scalar::ScalarValue;
use jiff::{SignedDuration, Timestamp};
use tranche_schema::platform;
use tranche_store::CommitMode;

use super::compare::{Answers, answers, rows};
use super::data::{World, event_time, value};
use super::grammar::{self, Definition, Fired, Role};
use super::lake::{PIPELINE, Place};
use super::random::Random;
use super::table::{ENTITY, Value};
use super::{Seeds, on_threads};
use crate::Elsewhere;
use crate::Scope;
use crate::evaluate::{Sharing, evaluate};
use crate::refresh::{OnFailure, RefreshContext, RefreshReport, refresh};
use crate::store::{memberships_table, traits_table};

/// Histories of a build: some 90 refreshes.
const HISTORIES: u64 = 20;

#[test]
fn refreshes_day_by_day_publish_what_a_full_evaluation_finds() {
    let seeds = Seeds::asked(HISTORIES);
    let (next, days) = (AtomicU64::new(seeds.first), AtomicU64::new(0));
    let failures = Mutex::new(Vec::new());
    on_threads(|| async {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.first + seeds.count || !failures.lock().unwrap().is_empty() {
                return;
            }
            let mut history = History::new(seed);
            match history.run(None).await {
                Ok(refreshed) => {
                    days.fetch_add(refreshed, Ordering::Relaxed);
                }
                Err(trouble) => {
                    let described = smallest(seed, trouble).await;
                    failures.lock().unwrap().push(described);
                }
            }
        }
    });
    report(&seeds, days.into_inner());
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[expect(clippy::print_stderr, reason = "which seeds were tried must be known when one fails somewhere else")]
fn report(seeds: &Seeds, refreshes: u64) {
    let Seeds { first, count } = seeds;
    eprintln!("property: {count} histories, seeds {first} to {}: {refreshes} refreshes", first + count - 1);
}

/// A failing history with as few definitions as fail, and the last days' rows.
async fn smallest(seed: u64, mut trouble: String) -> String {
    let mut without = BTreeSet::new();
    let names: Vec<String> =
        History::new(seed).definitions.iter().map(|definition| definition.name.clone()).collect();
    for name in names.iter().rev() {
        let mut fewer = without.clone();
        fewer.insert(name.clone());
        if History::new(seed).is_closed(&fewer)
            && let Err(found) = History::new(seed).run(Some(&fewer)).await
        {
            (without, trouble) = (fewer, found);
        }
    }
    format!("history {seed} without {without:?}; replay with TRANCHE_PROPERTY_SEED={seed}\n{trouble}")
}

/// A world that changes from day to day, and the definitions that are refreshed on it.
struct History {
    world: World,
    definitions: Vec<Definition>,
    random: Random,
    seed: u64,
    /// Rows that have not arrived yet, by table.
    pending: Vec<Vec<Vec<Value>>>,
    /// Everything that happened, to understand a failure by.
    log: Vec<String>,
}

impl History {
    fn new(seed: u64) -> Self {
        // Worlds of their own, apart from those of the other test.
        let mut world = World::new(seed ^ 0x5EED_0000);
        // A history begins before the instant around which the world's events lie.
        let definitions = grammar::definitions(&world, seed ^ 0x5EED_0000, &mut Fired::default());
        let random = Random::new(seed, 4);
        let pending = world.tables.iter_mut().map(|table| std::mem::take(&mut table.rows)).collect();
        world.as_of -= SignedDuration::from_hours(24 * 4);
        Self { world, definitions, random, seed, pending, log: Vec::new() }
    }

    /// Whether the definitions that are left need none of those that are left out.
    fn is_closed(&self, without: &BTreeSet<String>) -> bool {
        let left = self.definitions.iter().filter(|definition| !without.contains(&definition.name));
        left.into_iter().all(|definition| {
            without.iter().all(|name| {
                let traits = name
                    .strip_prefix('g')
                    .map_or_else(|| format!("in_segment('{name}"), |number| format!("t{number}_"));
                definition.role == Role::Traits || !definition.sql.contains(&traits)
            })
        })
    }

    /// Refreshes day by day, and says on which day something else was published than there is; else, how many refreshes there were.
    async fn run(&mut self, without: Option<&BTreeSet<String>>) -> Result<u64, String> {
        let place = Place::new(&self.world);
        let days = self.random.between(3, 6);
        let mut refreshes = 0;
        for day in 0..days {
            self.log.push(format!("day {day}, as of {}", self.world.as_of));
            self.load(&place, day).await;
            if day > 0 && self.random.chance(40) {
                self.rewrite();
            }
            let mut definitions = self.definitions.clone();
            definitions
                .retain(|definition| without.is_none_or(|without| !without.contains(&definition.name)));
            // A step that runs again leaves what it left before.
            let times = if self.random.chance(15) { 2 } else { 1 };
            for time in 0..times {
                let transaction = format!("shop/refresh/{day}/{time}");
                self.refresh(&place, &definitions, &transaction)
                    .await
                    .map_err(|trouble| self.described(&trouble, &definitions))?;
                refreshes += 1;
            }
            let hours = self.random.pick(&[24, 24, 24, 48, 12, 31, 24 * 7]);
            self.world.as_of += SignedDuration::from_hours(hours);
        }
        Ok(refreshes)
    }

    fn described(&self, trouble: &str, definitions: &[Definition]) -> String {
        let files: Vec<String> =
            definitions.iter().map(|d| format!("-- {}\n{}", d.path(), d.text())).collect();
        let rows = super::duckdb::setup(&self.world);
        format!("{trouble}\n\n{}\n{}\n\nall rows by now:\n{rows}", self.log.join("\n"), files.join("\n"))
    }

    /// Brings the rows of a day: new ones, late ones, corrected ones; and takes some back.
    async fn load(&mut self, place: &Place, day: i64) {
        self.load_people(place, day).await;
        for index in 1..self.world.tables.len() {
            let arrived = self.arrivals(index);
            let (replaced, mut affected) =
                if day == 0 { (false, BTreeSet::new()) } else { self.corrections(index) };
            let table = &mut self.world.tables[index];
            affected.extend(arrived.iter().filter_map(|row| table.day_of(row)));
            table.rows.extend(arrived.iter().cloned());
            let table = &self.world.tables[index];
            let transaction = format!("load/{}/{day}", table.name);
            if !replaced {
                if !arrived.is_empty() {
                    place.commit(table, &arrived, &transaction, CommitMode::Append).await;
                }
                continue;
            }
            let days = affected.iter().map(|&day| lit(ScalarValue::Date32(Some(day)))).collect();
            let predicate: Expr = ident(platform::EVENT_DAY).in_list(days, false);
            let of_days = |row: &&Vec<Value>| table.day_of(row).is_some_and(|day| affected.contains(&day));
            let rows: Vec<Vec<Value>> = table.rows.iter().filter(of_days).cloned().collect();
            place.commit(table, &rows, &transaction, CommitMode::OverwriteWhere(predicate)).await;
        }
    }

    /// Entities come, change and go; the whole table is written again.
    async fn load_people(&mut self, place: &Place, day: i64) {
        let coming = self.random.below(self.pending[0].len() + 1);
        let share = if day == 0 { coming } else { coming.min(5) };
        let new: Vec<Vec<Value>> = self.pending[0].drain(..share).collect();
        let as_of = self.world.as_of;
        let table = &mut self.world.tables[0];
        table.rows.extend(new);
        if day > 0 && !table.rows.is_empty() {
            if self.random.chance(50) {
                let gone = self.random.below(table.rows.len());
                self.log.push(format!("{:?} is gone", table.rows[gone][0]));
                table.rows.remove(gone);
            }
            for row in &mut table.rows {
                if self.random.chance(10) {
                    let column = 1 + self.random.below(table.columns.len() - 1);
                    row[column] = value(&mut self.random, &table.columns[column], as_of);
                }
            }
        }
        place
            .commit(
                &self.world.tables[0],
                &self.world.tables[0].rows,
                &format!("load/people/{day}"),
                CommitMode::Overwrite,
            )
            .await;
    }

    /// Rows of events that arrive today: most of what happened before `as_of`, some of what will happen.
    fn arrivals(&mut self, index: usize) -> Vec<Vec<Value>> {
        let (table, as_of) = (&self.world.tables[index], self.world.as_of.as_microsecond());
        let (mut arrived, mut later) = (Vec::new(), Vec::new());
        for row in std::mem::take(&mut self.pending[index]) {
            let happened = matches!(row[table.time.unwrap()], Value::Instant(at) if at < as_of);
            let arrives = self.random.chance(if happened { 75 } else { 5 });
            if arrives { arrived.push(row) } else { later.push(row) }
        }
        self.pending[index] = later;
        arrived
    }

    /// Corrects and removes a few of the rows that are there: whether there were any, and the days that change.
    fn corrections(&mut self, index: usize) -> (bool, BTreeSet<i32>) {
        let as_of = self.world.as_of;
        let mut affected = BTreeSet::new();
        let table = &mut self.world.tables[index];
        for _ in 0..self.random.below(4) {
            if table.rows.is_empty() {
                break;
            }
            let number = self.random.below(table.rows.len());
            affected.extend(table.day_of(&table.rows[number]));
            if self.random.chance(35) {
                self.log.push(format!("{} {:?} is taken back", table.name, table.rows[number][0]));
                table.rows.remove(number);
                continue;
            }
            let column = 1 + self.random.below(table.columns.len() - 1);
            let other = table.rows[self.random.below(table.rows.len())].clone();
            table.rows[number][column] = if column == table.entity {
                other[column].clone()
            } else if Some(column) == table.time {
                Value::Instant(event_time(&mut self.random, as_of, &[0, 1, 2, 7, 30]))
            } else {
                value(&mut self.random, &table.columns[column], as_of)
            };
            self.log
                .push(format!("{} {:?}: column {column} is corrected", table.name, table.rows[number][0]));
            affected.extend(table.day_of(&table.rows[number]));
        }
        (!affected.is_empty(), affected)
    }

    /// An author changes a constant, or rewrites a segment.
    fn rewrite(&mut self) {
        let number = self.random.below(self.definitions.len());
        let definition = &mut self.definitions[number];
        let constant = ["7 days", "30 days", "60 days", "90 days", "> 0", ">= 2", "= 1"]
            .into_iter()
            .find(|c| definition.sql.contains(c));
        if let Some(constant) = constant {
            let other = match constant.strip_suffix(" days") {
                Some(_) => "29 days".to_owned(),
                None => format!("{constant}1"),
            };
            self.log.push(format!("in {}, {constant} becomes {other}", definition.name));
            definition.sql = definition.sql.replace(constant, &other);
        } else if definition.role == Role::Segment {
            self.log.push(format!("{} is rewritten", definition.name));
            let seed = self.seed + self.random.next() % 1000;
            *definition = grammar::rewritten(&self.world, definition, seed, &mut Fired::default());
        }
    }

    async fn refresh(
        &self,
        place: &Place,
        definitions: &[Definition],
        transaction: &str,
    ) -> Result<(), String> {
        let definitions = place.read(definitions);
        let tables = place.tables(false).await;
        let session = place.engine.session_over(&tables, self.world.as_of).await.unwrap();
        let context = RefreshContext {
            lake: &place.lake,
            tables: &tables,
            session: &session,
            pipeline: PIPELINE,
            full: false,
            transaction,
            on_failure: OnFailure::Stop,
            elsewhere: &Elsewhere::default(),
        };
        let report = refresh(&definitions, None, &context)
            .await
            .map_err(|error| format!("the refresh fails: {error}"))?;
        let tables = place.tables(true).await;
        let session = place.engine.session_over(&tables, self.world.as_of).await.unwrap();
        let scope = Scope::everything(&definitions, ENTITY);
        let full = evaluate(&definitions, &scope, &tables, &session, Sharing::OneByOne).await;
        let full = full.map_err(|error| format!("the evaluation fails: {error}"))?;
        let expected = answers(&full);
        same_members(&expected, &published(place, self.world.as_of).await)?;
        same_counts(&expected, &report)?;
        let traits = stored(place, &traits_table(ENTITY)).await.map(|batch| rows(&batch)).unwrap_or_default();
        if !definitions.entities().is_empty() && traits != rows(&full.traits) {
            return Err(format!("other traits were published: {traits:#?}, not {:#?}", rows(&full.traits)));
        }
        Ok(())
    }
}

fn same_members(expected: &Answers, published: &BTreeMap<String, BTreeSet<String>>) -> Result<(), String> {
    let names: BTreeSet<&String> = expected.keys().chain(published.keys()).collect();
    for name in names {
        let members = expected.get(name).map(|answer| answer.members.clone()).unwrap_or_default();
        let found = published.get(name).cloned().unwrap_or_default();
        if members != found {
            return Err(format!("`{name}` was published as {found:?}, and is {members:?}"));
        }
    }
    Ok(())
}

fn same_counts(expected: &Answers, report: &RefreshReport) -> Result<(), String> {
    for segment in &report.segments {
        let answer = expected.get(&segment.segment).cloned().unwrap_or_default();
        let members = answer.members.len() as u64;
        if (segment.size, segment.unmatched) != (members, answer.unmatched) {
            return Err(format!("it reports {segment:?}, and there is {answer:?}"));
        }
    }
    Ok(())
}

async fn stored(place: &Place, table: &str) -> Option<RecordBatch> {
    let snapshot = place.lake.snapshot(table).await.unwrap()?;
    let session = place.engine.session(Timestamp::UNIX_EPOCH);
    let found = session.collect_frame(session.read(&snapshot).await.unwrap()).await.unwrap();
    Some(concat_batches(&found.schema, &found.batches).unwrap())
}

/// The members at an instant, by segment, as the published intervals say.
async fn published(place: &Place, as_of: Timestamp) -> BTreeMap<String, BTreeSet<String>> {
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let Some(batch) = stored(place, &memberships_table(ENTITY)).await else { return members };
    let text = |column: usize| cast(batch.column(column), &DataType::Utf8).unwrap();
    let (segments, keys) = (text(0), text(1));
    let (entered, exited) = (batch.column(2), batch.column(3).as_primitive::<TimestampMicrosecondType>());
    let entered = entered.as_primitive::<TimestampMicrosecondType>();
    let now = as_of.as_microsecond();
    for row in 0..batch.num_rows() {
        if entered.value(row) <= now && (exited.is_null(row) || exited.value(row) > now) {
            let segment = segments.as_string::<i32>().value(row).to_owned();
            members.entry(segment).or_default().insert(keys.as_string::<i32>().value(row).to_owned());
        }
    }
    members
}
