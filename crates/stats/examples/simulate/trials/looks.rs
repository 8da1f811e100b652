//! Many looks: how often anything is found though there is nothing.

use tranche_stats::{
    Alternative, ConfidenceSequence, Generator, GroupSequential, MixtureTest, Moments, Spending,
    sample_ratio, sequential_sample_ratio,
};

use crate::claim::{Claim, Tally};

const LOOKS: u32 = 1000;
const ALPHA: f64 = 0.05;

/// Two arms of exponential values without a difference, 100 units each before the first of 1000 looks and 10 more before each other.
pub(crate) fn always_valid(draws: u32) -> Vec<Claim> {
    let Some([two_sided, greater]) = tests() else { return Vec::new() };
    let mut tallies = [Tally::default(); 5];
    let mut generator = Generator::seeded(31);
    for _ in 0..draws {
        let (mut control, mut treatment) = (Moments::default(), Moments::default());
        let mut found = [false; 5];
        for look in 0..LOOKS {
            for _ in 0..if look == 0 { 100 } else { 10 } {
                control.push(-generator.uniform().ln());
                treatment.push(-generator.uniform().ln());
            }
            let variance: f64 =
                [control, treatment].iter().filter_map(|arm| Some(arm.variance()? / arm.n as f64)).sum();
            let (z, units) =
                ((treatment.mean - control.mean) / variance.sqrt(), (control.n + treatment.n) as f64);
            found[0] |= two_sided.0.p_value(z, units) <= ALPHA;
            found[1] |= greater.0.p_value(z, units) <= ALPHA;
            found[2] |= two_sided.1.p_value(z, variance) <= ALPHA;
            found[3] = found[3] || greater.1.p_value(z, variance) <= ALPHA;
            found[4] |= z.abs() >= 1.96;
        }
        tallies.iter_mut().zip(found).for_each(|(tally, found)| tally.count(found));
    }
    let [sequence, one_sided_sequence, mixture, one_sided_mixture, naive] = tallies;
    vec![
        sequence.at_most("the confidence sequence excludes 0 at any of 1000 looks", ALPHA),
        one_sided_sequence
            .at_most("the one-sided confidence sequence excludes 0 at any of 1000 looks", ALPHA),
        mixture.at_most("the mSPRT rejects at any of 1000 looks", ALPHA),
        one_sided_mixture.at_most("the one-sided mSPRT rejects at any of 1000 looks", ALPHA),
        naive.at_least("for comparison: a fixed test at each of 1000 looks", 0.3),
    ]
}

fn tests() -> Option<[(ConfidenceSequence, MixtureTest); 2]> {
    let of = |alternative| {
        let sequence = ConfidenceSequence::one_sided(ALPHA, 5000.0, alternative).value()?;
        Some((sequence, MixtureTest::new(ALPHA, 0.05, alternative).value()?))
    };
    Some([of(Alternative::TwoSided)?, of(Alternative::Greater)?])
}

/// Five looks at a Brownian motion without drift; the last design's looks come when they come.
pub(crate) fn group_sequential(draws: u32) -> Vec<Claim> {
    let uneven = GroupSequential {
        spending: Spending::OBrienFleming,
        fractions: vec![0.1, 0.35, 0.4, 0.8, 0.93],
        is_final: true,
    };
    let designs = [
        ("O'Brien-Fleming-like", Alternative::TwoSided, GroupSequential::evenly(Spending::OBrienFleming, 5)),
        ("Pocock-like", Alternative::TwoSided, GroupSequential::evenly(Spending::Pocock, 5)),
        ("power family, 2", Alternative::TwoSided, GroupSequential::evenly(Spending::Power { rho: 2.0 }, 5)),
        (
            "O'Brien-Fleming-like, one-sided",
            Alternative::Greater,
            GroupSequential::evenly(Spending::OBrienFleming, 5),
        ),
        ("O'Brien-Fleming-like, uneven looks that end early", Alternative::TwoSided, uneven),
    ];
    let mut claims = Vec::new();
    for (seed, (name, alternative, design)) in (41..).zip(designs) {
        let looks = design.looks(0.05, alternative).value().unwrap_or_default();
        let mut generator = Generator::seeded(seed);
        let mut tally = Tally::default();
        for _ in 0..draws {
            let (mut score, mut before) = (0.0, 0.0);
            let crossed = looks.iter().any(|look| {
                score += (look.fraction - before).sqrt() * generator.normal();
                before = look.fraction;
                let z = score / look.fraction.sqrt();
                (if alternative == Alternative::TwoSided { f64::abs(z) } else { z }) >= look.critical
            });
            tally.count(crossed);
        }
        claims.push(tally.near(format!("group-sequential, {name}: any of 5 looks crosses"), 0.05, 0.003));
    }
    claims
}

/// Units split by halves as planned, 20 more before each of 1000 looks.
pub(crate) fn sample_ratios(draws: u32) -> Vec<Claim> {
    let mut generator = Generator::seeded(51);
    let (mut sequential, mut fixed) = (Tally::default(), Tally::default());
    for _ in 0..draws {
        let mut counts = [0, 0];
        let (mut found, mut found_naively) = (false, false);
        for _ in 0..LOOKS {
            for _ in 0..20 {
                counts[generator.below(2)] += 1;
            }
            found |= sequential_sample_ratio(&counts, &[0.5, 0.5], 1000.0)
                .value()
                .is_some_and(|ratio| ratio.p <= 0.05);
            found_naively = found_naively
                || sample_ratio(&counts, &[0.5, 0.5]).value().is_some_and(|ratio| ratio.p <= 0.05);
        }
        sequential.count(found);
        fixed.count(found_naively);
    }
    vec![
        sequential.at_most("the sequential sample ratio test finds a mismatch at any of 1000 looks", 0.05),
        fixed.at_least("for comparison: the chi-squared test at each of 1000 looks", 0.3),
    ]
}
