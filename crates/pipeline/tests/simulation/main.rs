//! Simulations of the scheduler on a bucket where everything goes wrong that can: the real code, a store in
//! memory, and time that passes as fast as the work allows. All of it follows from a seed.
//!
//! `TRANCHE_SIMULATION_SEEDS=20000` plays so many, `TRANCHE_SIMULATION_SEED=17` plays that one alone and
//! prints what was decided.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "all of this is a test, helpers too"
)]

mod check;
mod policies;
mod process;
mod project;
mod random;
mod scenario;
mod store;
mod tables;
mod waker;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::scenario::{Outcome, simulate};
use crate::store::Broken;
use crate::world::{Counts, Fault};

/// How many seeds are played unless the environment says otherwise.
const SEEDS: u64 = 300;

fn environment(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not `{text}`")))
}

/// What many simulations showed.
#[derive(Default)]
struct Total {
    counts: Counts,
    wrong: Vec<(u64, Vec<String>)>,
    slots: usize,
    runs: usize,
    commits: usize,
}

/// Plays seeds `0..seeds`, side by side, until one shows something wrong and `stops`.
fn play(seeds: u64, broken: Broken, stops: bool) -> Total {
    let (next, total) = (AtomicU64::new(0), Mutex::new(Total::default()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || stops && !total.lock().unwrap().wrong.is_empty() {
                        break;
                    }
                    let Outcome { counts, wrong, slots, runs, commits, .. } = simulate(seed, broken);
                    let mut total = total.lock().unwrap();
                    counts
                        .into_iter()
                        .for_each(|(fault, times)| *total.counts.entry(fault).or_default() += times);
                    (total.slots, total.runs, total.commits) =
                        (total.slots + slots, total.runs + runs, total.commits + commits);
                    if !wrong.is_empty() {
                        total.wrong.push((seed, wrong));
                    }
                }
            });
        }
    });
    total.into_inner().unwrap()
}

#[test]
fn every_slot_has_one_fate_and_every_row_is_there_once() {
    if let Some(seed) = environment("TRANCHE_SIMULATION_SEED") {
        let outcome = simulate(seed, Broken::Sound);
        eprintln!("{}", outcome.story);
        assert!(outcome.wrong.is_empty(), "seed {seed}: {:#?}", outcome.wrong);
        return;
    }
    let seeds = environment("TRANCHE_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let begun = std::time::Instant::now();
    let total = play(seeds, Broken::Sound, false);
    let summary = format!(
        "{seeds} seeds in {:.0} s: {} slots, {} runs, {} commits",
        begun.elapsed().as_secs_f64(),
        total.slots,
        total.runs,
        total.commits
    );
    eprintln!("{summary}");
    Fault::ALL
        .iter()
        .for_each(|fault| eprintln!("  {fault:?}: {}", total.counts.get(fault).copied().unwrap_or(0)));
    for (seed, wrong) in total.wrong.iter().take(5) {
        eprintln!("TRANCHE_SIMULATION_SEED={seed}: {wrong:#?}");
    }
    let bad: Vec<u64> = total.wrong.iter().map(|(seed, _)| *seed).collect();
    assert!(bad.is_empty(), "{} of {seeds} seeds went wrong: {bad:?}", bad.len());
    let silent: Vec<_> = Fault::ALL.iter().filter(|fault| !total.counts.contains_key(fault)).collect();
    assert!(silent.is_empty() || seeds < SEEDS, "faults that never fired: {silent:?}");
}

/// What is found in a build that is broken on purpose, within 200 seeds.
fn catches(broken: Broken, expected: &str) {
    let total = play(200, broken, true);
    let (seed, wrong) =
        total.wrong.first().unwrap_or_else(|| panic!("{broken:?} was not found in 200 seeds"));
    eprintln!("{broken:?} was found by seed {seed}: {}", wrong[0]);
    assert!(wrong.iter().any(|wrong| wrong.contains(expected)), "{wrong:#?}");
}

#[test]
fn a_claim_without_read_back_is_caught() {
    catches(Broken::ClaimWithoutReadBack, "doubled: run");
}

#[test]
fn a_log_without_owner_is_caught() {
    catches(Broken::LogWithoutOwner, "");
}

#[test]
fn a_commit_without_transaction_is_caught() {
    catches(Broken::CommitWithoutTransaction, "doubled: the rows");
}
