//! One look: on which side intervals miss, and how often a margin is found where there is none.

use tranche_stats::{
    Alternative, Arm, Bootstrap, BootstrapMethod, Comparison, Generator, Margin, Options, Outcome,
    RelativeMethod, compare,
};

use crate::claim::{Claim, Tally};

const UNITS: u64 = 100_000;

/// An arm whose mean was drawn from N(mean, se²).
fn drawn(generator: &mut Generator, mean: f64, se: f64) -> Arm {
    Arm::new(UNITS, mean + se * generator.normal(), se * se * UNITS as f64)
}

/// Control means around 1 with a standard error of a tenth: where the delta method's intervals go wrong.
pub(crate) fn fieller(draws: u32) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (seed, lift) in [(1, 0.0), (2, 0.5), (3, 1.0)] {
        let mut generator = Generator::seeded(seed);
        let mut tallies = [Tally::default(); 4];
        let delta = Options { relative: RelativeMethod::Delta, ..Options::default() };
        for _ in 0..draws {
            let control = drawn(&mut generator, 1.0, 0.1);
            let treatment = drawn(&mut generator, 1.0 + lift, 0.1);
            for (place, options) in [Options::default(), delta.clone()].iter().enumerate() {
                let Outcome::Defined(estimate) = compare(&control, &treatment, options).relative else {
                    continue;
                };
                let below = !estimate.interval.contains(lift) && estimate.effect < lift;
                let above = !estimate.interval.contains(lift) && estimate.effect > lift;
                tallies[2 * place].count(below);
                tallies[2 * place + 1].count(above);
            }
        }
        let percent = 100.0 * lift;
        claims.push(tallies[0].near(
            format!("Fieller's interval lies below a lift of {percent} %"),
            0.025,
            0.002,
        ));
        claims.push(tallies[1].near(
            format!("Fieller's interval lies above a lift of {percent} %"),
            0.025,
            0.002,
        ));
        claims.push(
            tallies[2].at_least(
                format!("for comparison: the delta method's lies below a lift of {percent} %"),
                0.035,
            ),
        );
        claims.push(
            tallies[3].at_most(
                format!("for comparison: the delta method's lies above a lift of {percent} %"),
                0.01,
            ),
        );
    }
    claims
}

/// The treatment is worse by just the margin.
pub(crate) fn non_inferiority(draws: u32) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (name, alternative, margin, truth) in [
        ("an absolute margin, greater", Alternative::Greater, Margin::Absolute(0.3), -0.3),
        ("an absolute margin, less", Alternative::Less, Margin::Absolute(0.3), 0.3),
        ("a relative margin, greater", Alternative::Greater, Margin::Relative(0.1), -0.2),
        ("a relative margin, less", Alternative::Less, Margin::Relative(0.1), 0.2),
    ] {
        let mut generator = Generator::seeded(11);
        let mut tally = Tally::default();
        let options = Options { alternative, margin: Some(margin), ..Options::default() };
        for _ in 0..draws {
            let control = drawn(&mut generator, 2.0, 0.1);
            let treatment = drawn(&mut generator, 2.0 + truth, 0.15);
            let Comparison { absolute, .. } = compare(&control, &treatment, &options);
            tally.count(absolute.value().is_some_and(|estimate| estimate.p <= options.alpha));
        }
        claims.push(tally.near(format!("non-inferiority by {name}, found at the margin"), 0.05, 0.002));
    }
    claims
}

/// The ratio of two means of 60 exponential values each; the bootstrap is a little too narrow at such sizes.
pub(crate) fn bootstrap(draws: u32) -> Vec<Claim> {
    let mut generator = Generator::seeded(21);
    let mut tallies = [Tally::default(); 2];
    let methods = [BootstrapMethod::Percentile, BootstrapMethod::BiasCorrected];
    for draw in 0..draws {
        let mut arm = || -> Vec<f64> { (0..60).map(|_| -generator.uniform().ln()).collect() };
        let (control, treatment) = (arm(), arm());
        let mean = |values: &[f64], units: &[usize]| {
            units.iter().map(|unit| values[*unit]).sum::<f64>() / units.len() as f64
        };
        let ratio = |a: &[usize], b: &[usize]| mean(&treatment, b) / mean(&control, a);
        for (tally, method) in tallies.iter_mut().zip(methods) {
            let bootstrap =
                Bootstrap { replicates: 1000, seed: u64::from(draw), method, ..Bootstrap::default() };
            let estimate = bootstrap.estimate(60, 60, ratio).value();
            tally.count(
                estimate.is_some_and(|estimate| estimate.interval[0] <= 1.0 && 1.0 <= estimate.interval[1]),
            );
        }
    }
    vec![
        tallies[0].near("the bootstrap's percentile interval covers a ratio of means", 0.95, 0.015),
        tallies[1].near("the bootstrap's BCa interval covers a ratio of means", 0.95, 0.015),
    ]
}
