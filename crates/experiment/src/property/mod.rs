//! Random histories of experiments: a measurement from saved state, day by day, equals one from
//! all facts.
//!
//! A history is a seed: tables that grow, late and corrected rows, exposures that come late, and experiments
//! that come, go and change. `TRANCHE_PROPERTY_CASES` asks for more than a build does,
//! `TRANCHE_PROPERTY_FIRST` for others, and `TRANCHE_PROPERTY_SEED` replays one.

mod compare;
mod definitions;
mod history;
mod lake;
mod tampered;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use history::{History, Tally};

/// Histories of a build.
const HISTORIES: u64 = 50;
/// What the environment counts in: cases of the property of segments, of which a build has so many.
const CASES: u64 = 500;

#[test]
fn saved_state_gives_the_results_of_all_facts() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let one = number("TRANCHE_PROPERTY_SEED");
    let first = one.or_else(|| number("TRANCHE_PROPERTY_FIRST")).unwrap_or(0);
    let asked =
        number("TRANCHE_PROPERTY_CASES").map_or(HISTORIES, |cases| (cases * HISTORIES).div_ceil(CASES));
    let end = first + one.map_or(asked, |_| 1);
    let next = AtomicU64::new(first);
    let found: Mutex<(Tally, Vec<String>)> = Mutex::default();
    on_threads(|| async {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || !found.lock().unwrap().1.is_empty() {
                return;
            }
            let mut history = History::new(seed);
            let outcome = history.run().await;
            let (tally, failures) = &mut *found.lock().unwrap();
            tally.add(&history.tally);
            failures.extend(outcome.err().map(|trouble| history.described(&trouble)));
        }
    });
    let (tally, failures) = found.into_inner().unwrap();
    report(first, end, &tally);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    if one.is_none() {
        assert_eq!(tally.missing(), Vec::<&str>::new(), "what never happened");
    }
}

#[expect(clippy::print_stderr, reason = "which seeds were tried must be known when one fails somewhere else")]
fn report(first: u64, end: u64, tally: &Tally) {
    eprintln!("property: histories {first} to {}: {tally:?}", end - 1);
}

/// Does the same work on each of a machine's cores, each with a runtime of its own.
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
