//! A world that changes from day to day, and the experiments that are measured on it.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use tranche_incremental::StateStore;
use tranche_sql::keys::Sample;
use tranche_stats::Generator;
use tranche_store::CommitMode;
use tranche_store::object_store::path::Path;
use tranche_store::object_store::{ObjectStore, ObjectStoreExt};

use super::compare;
use super::definitions::{Definitions, LOOKBACKS, SCHEMAS, WINDOWS};
use super::lake::{PIPELINE, Place, Row, day_of, of_days};
use crate::measure::evaluate;
use crate::units::collect::{Collected, collect};
use crate::units::status::EarlierLooks;

/// The step whose measurements follow from each other.
pub(super) const STEP: &str = "tests";

/// What histories did.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Measurements of all experiments of a day.
    measurements: u64,
    /// Tables of which something was computed from saved state, and everything was.
    incremental: u64,
    wholly_incremental: u64,
    /// Tables of which nothing did.
    full: u64,
    /// Values of units, and numbers of results, that were the same.
    values: u64,
    numbers: u64,
    /// Rows of facts that were read since, and that there were to read.
    rows_since: u64,
    rows_of_all: u64,
    rows_taken_back: u64,
    corrections: u64,
    late_exposures: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        let pairs = self.counts_mut().into_iter().zip(other.counts());
        pairs.for_each(|((_, own), (_, count))| *own += count);
    }

    /// What never happened.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        self.counts().into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }

    fn counts(&self) -> [(&'static str, u64); 11] {
        let mut copy = Self { ..*self };
        copy.counts_mut().map(|(name, count)| (name, *count))
    }

    fn counts_mut(&mut self) -> [(&'static str, &mut u64); 11] {
        [
            ("measurements", &mut self.measurements),
            ("incremental", &mut self.incremental),
            ("wholly incremental", &mut self.wholly_incremental),
            ("full", &mut self.full),
            ("values", &mut self.values),
            ("numbers", &mut self.numbers),
            ("rows since", &mut self.rows_since),
            ("rows of all", &mut self.rows_of_all),
            ("rows taken back", &mut self.rows_taken_back),
            ("corrections", &mut self.corrections),
            ("late exposures", &mut self.late_exposures),
        ]
    }
}

/// A world that changes from day to day, and the experiments that are measured on it.
pub(super) struct History {
    seed: u64,
    random: Generator,
    place: Place,
    definitions: Definitions,
    /// The rows of each table of `SCHEMAS`.
    rows: Vec<Vec<Row>>,
    as_of: Timestamp,
    next_id: usize,
    pub(super) tally: Tally,
    /// Everything that happened, to understand a failure by.
    log: Vec<String>,
}

const PEOPLE: usize = 30;

impl History {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Generator::seeded(seed.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let place = Place::new(&SCHEMAS, 1 + random.below(3));
        let definitions = Definitions::random(&mut random);
        let as_of = "2026-09-03T00:00:00Z".parse::<Timestamp>().unwrap() + hours([0, 2, 24][random.below(3)]);
        let rows = SCHEMAS.map(|_| Vec::new()).into();
        Self {
            seed,
            random,
            place,
            definitions,
            rows,
            as_of,
            next_id: 0,
            tally: Tally::default(),
            log: Vec::new(),
        }
    }

    /// A failure, with what led to it.
    pub(super) fn described(&self, trouble: &str) -> String {
        let files: Vec<String> =
            self.definitions.files().into_iter().map(|(path, text)| format!("-- {path}\n{text}")).collect();
        format!(
            "history {seed}; replay with TRANCHE_PROPERTY_SEED={seed}\n{trouble}\n\n{}\n{}",
            self.log.join("\n"),
            files.join("\n"),
            seed = self.seed,
        )
    }

    /// Measures day by day, and says on which day something else was found than all facts say.
    pub(super) async fn run(&mut self) -> Result<(), String> {
        for day in 0..4 + self.random.below(4) {
            self.log.push(format!("day {day}, as of {}", self.as_of));
            self.load_people(day).await;
            for table in 1..SCHEMAS.len() {
                self.load(table, day).await;
            }
            if day > 0 && self.chance(25) {
                let change = self.definitions.change(&mut self.random);
                self.log.push(change);
            }
            if self.chance(4) {
                self.forget().await;
            }
            self.measure().await?;
            let step = [24, 24, 24, 24, 24, 24, 12, 31, 48, 0, -24][self.random.below(11)];
            self.as_of += hours(step);
        }
        Ok(())
    }

    /// People come, go and change; the whole table is written again.
    async fn load_people(&mut self, day: usize) {
        let coming = if day == 0 { PEOPLE / 2 } else { self.random.below(4) };
        for _ in 0..coming {
            let number = self.random.below(PEOPLE);
            let name = Some(format!("p{number}"));
            let plan = [Some("free".to_owned()), Some("paid".to_owned()), None][self.random.below(3)].clone();
            let house = Some(format!("h{}", number / 3)).filter(|_| !self.chance(10));
            self.rows[0].retain(|row| row[0] != name);
            self.rows[0].push(vec![name, plan, house]);
        }
        if day > 0 && self.chance(20) && self.rows[0].len() > 3 {
            let gone = self.random.below(self.rows[0].len());
            let gone = self.rows[0].remove(gone);
            self.log.push(format!("{:?} is gone", gone[0]));
        }
        self.place.commit("people", &self.rows[0], &format!("people/{day}"), CommitMode::Overwrite).await;
    }

    /// Brings the rows of a day: new ones, late ones, corrected ones; and takes some back.
    async fn load(&mut self, table: usize, day: usize) {
        let name = SCHEMAS[table].0;
        let count = self.random.below(if table == 1 { 9 } else { 26 });
        let arrived: Vec<Row> = (0..count).map(|_| self.event(table)).collect();
        let mut days: BTreeSet<i32> = BTreeSet::new();
        if day > 0 && self.chance(35) {
            days = self.corrections(table);
        }
        let time = |row: &Row| day_of(row.last().and_then(Option::as_deref).unwrap());
        self.rows[table].extend(arrived.iter().cloned());
        let transaction = format!("{name}/{day}");
        if self.chance(4) {
            self.log.push(format!("{name} is written again"));
            self.place.commit(name, &self.rows[table], &transaction, CommitMode::Overwrite).await;
        } else if days.is_empty() {
            if !arrived.is_empty() {
                self.place.commit(name, &arrived, &transaction, CommitMode::Append).await;
            }
        } else {
            days.extend(arrived.iter().map(time));
            let rows: Vec<Row> =
                self.rows[table].iter().filter(|row| days.contains(&time(row))).cloned().collect();
            self.place.commit(name, &rows, &transaction, of_days(days.into_iter())).await;
        }
        if self.chance(5) {
            self.log.push(format!("{name} is compacted"));
            self.place.compact(name).await;
        }
    }

    /// Corrects and removes a few of the rows that are there; returns the days that change.
    fn corrections(&mut self, table: usize) -> BTreeSet<i32> {
        let mut days = BTreeSet::new();
        for _ in 0..self.random.below(4) {
            if self.rows[table].is_empty() {
                break;
            }
            self.tally.corrections += 1;
            let number = self.random.below(self.rows[table].len());
            let old = self.rows[table].remove(number);
            days.insert(day_of(old.last().and_then(Option::as_deref).unwrap()));
            self.log.push(format!("{} {old:?} is taken back", SCHEMAS[table].0));
            if self.chance(65) {
                let mut new = self.event(table);
                let column = self.random.below(old.len());
                for (place, value) in old.into_iter().enumerate().filter(|(place, _)| *place != column) {
                    new[place] = value;
                }
                days.insert(day_of(new.last().and_then(Option::as_deref).unwrap()));
                self.log.push(format!("    for {new:?}"));
                self.rows[table].push(new);
            }
        }
        days
    }

    /// A row of an event table.
    fn event(&mut self, table: usize) -> Row {
        self.next_id += 1;
        let id = Some(format!("{}", self.next_id));
        let number = self.random.below(PEOPLE + 1);
        let who = if self.chance(4) { None } else { Some(format!("p{number}")) };
        let pick = |from: &[&str], random: &mut Generator| {
            Some(from[random.below(from.len())]).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let at = self.instant(table == 1);
        let random = &mut self.random;
        match table {
            1 => {
                // Most see what they were given, and some see something else, too.
                let arm = if random.below(20) == 0 {
                    pick(&["a", "b", "c", ""], random)
                } else {
                    pick(&[["a", "b"][number % 2]], random)
                };
                let seen = [0, 0, 1, 30][random.below(4)];
                let seen = Some((at + hours(seen)).to_string()).filter(|_| random.below(12) > 0);
                vec![id, who, arm, pick(&["x", "x", "x", "y", "z", ""], random), seen, Some(at.to_string())]
            }
            2 => {
                let amount =
                    pick(&["0.01", "9.99", "10.00", "10.01", "25.50", "-3.10", "", "120000.07"], random);
                let weight = pick(&["0.1", "0.2", "0.3", "1.7", "2.5", "1000000.1", ""], random);
                let kind = pick(&["a", "a", "b", "c", ""], random);
                vec![
                    id,
                    who,
                    kind,
                    amount,
                    pick(&["1", "2", "7", "-1", ""], random),
                    weight,
                    Some(at.to_string()),
                ]
            }
            _ => vec![id, who, pick(&["cart", "home", ""], random), Some(at.to_string())],
        }
    }

    /// When something happened: lately, late, not yet, or just where a window begins or ends.
    fn instant(&mut self, is_exposure: bool) -> Timestamp {
        let as_of = self.as_of;
        let random = &mut self.random;
        let within = |random: &mut Generator, length: i64| {
            as_of - SignedDuration::from_micros(random.below(length as usize * 3_600_000_000) as i64)
        };
        let at = match random.below(20) {
            0 => as_of + hours(random.below(40) as i64),
            1 => as_of - SignedDuration::from_micros(1),
            2 => midnight(within(random, 72)),
            3..=6 => within(random, 24 * 7),
            7..=10 if !is_exposure => {
                let exposures: Vec<Timestamp> =
                    self.rows[1].iter().filter_map(|row| row[5].as_ref()?.parse().ok()).collect();
                let at = exposures.get(random.below(exposures.len().max(1))).copied().unwrap_or(as_of);
                let window = WINDOWS[random.below(WINDOWS.len())]
                    .or(LOOKBACKS[random.below(LOOKBACKS.len())].map(|hours| -hours));
                at + hours(window.unwrap_or(0)) + SignedDuration::from_micros(random.below(3) as i64 - 1)
            }
            _ => within(random, 26),
        };
        self.tally.late_exposures += u64::from(is_exposure && at < as_of - hours(26));
        at
    }

    /// Deletes saved state, as an operator may.
    async fn forget(&mut self) {
        self.log.push("saved state is deleted".to_owned());
        let objects = self.place.lake.objects();
        let all: Vec<_> =
            objects.list(Some(&Path::from(tranche_schema::layout::state::ROOT))).try_collect().await.unwrap();
        for object in all {
            objects.delete(&object.location).await.unwrap();
        }
    }

    /// Measures from saved state, and from all facts.
    async fn measure(&mut self) -> Result<(), String> {
        let world = self.place.world(self.definitions.files(), self.as_of).await;
        let experiments: Vec<_> = world.experiments.values().collect();
        // Of few units only, so that what is computed again is not everything.
        let sample = Sample { share: [0.2, 1.0][self.random.below(2)], least: 0 };
        let full = self.chance(3);
        let state = StateStore { lake: &self.place.lake, pipeline: PIPELINE, owner: STEP, full, sample };
        let since = self.place.context(&world, Some(state));
        let all = self.place.context(&world, None);
        let Collected { data, facts, .. } = collect(&experiments, &EarlierLooks::new(), &since)
            .await
            .map_err(|error| format!("from saved state: {error:?}"))?;
        let again = collect(&experiments, &EarlierLooks::new(), &all)
            .await
            .map_err(|error| format!("from all facts: {error:?}"))?;
        self.tally.measurements += 1;
        for (read, of_all) in facts.iter().zip(&again.facts) {
            self.log.push(format!("{read:?}"));
            self.tally.incremental += u64::from(read.incremental);
            self.tally.wholly_incremental += u64::from(read.incremental && read.full_because.is_empty());
            self.tally.full += u64::from(!read.incremental);
            self.tally.rows_since += read.rows_read;
            self.tally.rows_of_all += of_all.rows_read;
            self.tally.rows_taken_back += read.rows_taken_back;
        }
        for (found, expected) in data.iter().zip(&again.data) {
            self.tally.values += compare::values(found, expected, &all)?;
            let (found, expected) = (evaluate(found, None, &since), evaluate(expected, None, &all));
            self.tally.numbers += compare::results(&found, &expected)?;
        }
        Ok(())
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.random.below(100) < percent
    }
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn midnight(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(86_400) * 86_400).unwrap()
}
