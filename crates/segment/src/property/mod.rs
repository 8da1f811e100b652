//! Random data and random definitions: every way to evaluate gives the same members, and so does another engine.
//!
//! A case is a seed: a world (tables and an instant) and a set of definitions. `TRANCHE_PROPERTY_CASES` asks for more cases than a
//! build does, `TRANCHE_PROPERTY_FIRST` for others, and `TRANCHE_PROPERTY_SEED` replays one. A case that fails is made smaller: fewer
//! definitions, then fewer rows. What the engine gets wrong by itself is shown in `mistakes`, and left out of random definitions.

mod compare;
mod data;
mod duckdb;
mod grammar;
mod incremental;
mod lake;
mod mistakes;
pub(crate) mod random;
mod shrink;
mod table;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use compare::Opinions;
use data::World;
use duckdb::DuckDb;
use grammar::Fired;
use lake::Place;

/// Sets of definitions that are tried on one world: making a world costs as much as a few of them.
const SETS: u64 = 4;

/// Cases of a build.
const CASES: u64 = 500;

/// The seeds that are asked for.
pub(crate) struct Seeds {
    pub(crate) first: u64,
    pub(crate) count: u64,
}

impl Seeds {
    /// `usual` seeds, unless the environment asks for others.
    pub(crate) fn asked(usual: u64) -> Self {
        let number = |name: &str| {
            std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap_or_else(|e| panic!("{name}: {e}")))
        };
        if let Some(seed) = number("TRANCHE_PROPERTY_SEED") {
            return Self { first: seed, count: 1 };
        }
        let count = number("TRANCHE_PROPERTY_CASES").map_or(usual, |cases| (cases * usual).div_ceil(CASES));
        Self { first: number("TRANCHE_PROPERTY_FIRST").unwrap_or(0), count }
    }

    /// Whether the cases are as many as in a build: then every production must be among them.
    fn is_enough(&self, usual: u64) -> bool {
        self.count >= usual
    }
}

/// What all workers found.
#[derive(Default)]
struct Tally {
    cases: u64,
    definitions: usize,
    members: usize,
    fired: Fired,
    failures: Vec<String>,
}

#[test]
fn every_way_to_evaluate_finds_the_same_members() {
    let seeds = Seeds::asked(CASES);
    let duckdb = DuckDb::start().map(Mutex::new);
    let tally = Mutex::new(Tally::default());
    let next = AtomicU64::new(seeds.first / SETS);
    let end = seeds.first + seeds.count;
    on_threads(|| async {
        loop {
            let world = next.fetch_add(1, Ordering::Relaxed);
            let cases = (world * SETS).max(seeds.first)..((world + 1) * SETS).min(end);
            if cases.is_empty() || !tally.lock().unwrap().failures.is_empty() {
                return;
            }
            let found = cases_of(world, cases, duckdb.as_ref()).await;
            let mut tally = tally.lock().unwrap();
            tally.cases += found.cases;
            tally.definitions += found.definitions;
            tally.members += found.members;
            tally.fired.add(&found.fired);
            tally.failures.extend(found.failures);
        }
    });
    let tally = tally.into_inner().unwrap();
    report(&seeds, &tally, duckdb.is_some());
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
    if seeds.is_enough(CASES) {
        assert_eq!(tally.fired.missing(), Vec::<&str>::new(), "productions that never were used");
    }
}

/// Runs the cases of one world, until one fails.
async fn cases_of(world_seed: u64, cases: std::ops::Range<u64>, duckdb: Option<&Mutex<DuckDb>>) -> Tally {
    let mut tally = Tally::default();
    let world = World::new(world_seed);
    let place = Place::of(&world).await;
    let tables = place.tables(world.cached).await;
    for seed in cases {
        let definitions = grammar::definitions(&world, seed, &mut tally.fired);
        let opinions = Opinions::of(&world, &place, &tables, &definitions, duckdb).await;
        tally.cases += 1;
        tally.definitions += definitions.len();
        if let Some(trouble) = opinions.trouble() {
            tally.failures.push(shrink::smallest(seed, &world, definitions, &trouble, duckdb).await);
            return tally;
        }
        let found = opinions.0.first().and_then(|opinion| opinion.found.as_ref().ok());
        tally.members +=
            found.map_or(0, |answers| answers.values().filter(|answer| !answer.members.is_empty()).count());
    }
    tally
}

#[expect(clippy::print_stderr, reason = "which seeds were tried must be known when one fails somewhere else")]
fn report(seeds: &Seeds, tally: &Tally, compared: bool) {
    let (first, last) = (seeds.first, seeds.first + seeds.count - 1);
    let Tally { cases, definitions, members, .. } = tally;
    let duckdb = if compared { "and DuckDB" } else { "without DuckDB" };
    eprintln!(
        "property: {cases} cases {duckdb}, seeds {first} to {last}: {definitions} definitions, {members} segments with members"
    );
    if let Some((production, count, of)) = tally.fired.rarest() {
        eprintln!("property: the rarest of {of} productions is `{production}`, used {count} times");
    }
}

/// Does the same work on each of a machine's cores, each with a runtime of its own and room for deep plans.
fn on_threads<F: Future<Output = ()>>(work: impl Fn() -> F + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let worker = || {
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work())
            };
            std::thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, worker).unwrap();
        }
    });
}
