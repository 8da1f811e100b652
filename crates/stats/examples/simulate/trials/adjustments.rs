//! Adjusted arms: whether intervals still cover what they should.

use tranche_stats::{
    CoMomentMatrix, CoMoments, Comparison, Generator, Options, OutcomeColumns, Stratum, StratumWeights,
    adjust, adjust_for_covariates, compare, post_stratify,
};

use crate::claim::{Claim, Tally};

/// Whether the absolute and the relative interval hold the truth.
fn cover(tallies: &mut [Tally; 2], comparison: &Comparison, difference: f64, lift: f64) {
    let holds = |estimate: Option<tranche_stats::Estimate>, truth| {
        estimate.is_some_and(|e| e.interval.contains(truth))
    };
    tallies[0].count(holds(comparison.absolute.value(), difference));
    tallies[1].count(holds(comparison.relative.value(), lift));
}

/// 200 units per arm, a covariate correlated by .8, means of 2 and 2.5.
pub(crate) fn cuped(draws: u32) -> Vec<Claim> {
    let mut generator = Generator::seeded(61);
    let mut tallies = [Tally::default(); 2];
    for _ in 0..draws {
        let mut arm = |mean: f64| {
            CoMoments::from_pairs((0..200).map(|_| {
                let before = generator.normal();
                (mean + 0.8 * before + 0.6 * generator.normal(), before)
            }))
        };
        let adjusted = adjust(&arm(2.0), &arm(2.5));
        cover(&mut tallies, &compare(&adjusted.control, &adjusted.treatment, &Options::default()), 0.5, 0.25);
    }
    vec![
        tallies[0].near("a CUPED-adjusted interval covers the difference", 0.95, 0.003),
        tallies[1].near("a CUPED-adjusted interval covers the lift", 0.95, 0.003),
    ]
}

/// 400 units per arm, a ratio of sums with two covariates: of the numerator and of the denominator.
pub(crate) fn covariates(draws: u32) -> Vec<Claim> {
    let mut generator = Generator::seeded(71);
    let mut tallies = [Tally::default(); 2];
    for _ in 0..draws {
        let mut arm = |rate: f64| {
            let mut moments = CoMomentMatrix::new(4);
            for _ in 0..400 {
                let (habit, size) = (generator.normal(), generator.uniform());
                let denominator = 5.0 + 4.0 * size + generator.normal();
                let numerator = rate * denominator + 2.0 * habit + generator.normal();
                let row = [numerator, denominator, habit + 0.5 * generator.normal(), size];
                let _ = moments.push(&row).value();
            }
            moments
        };
        let adjusted = adjust_for_covariates(&arm(1.0), &arm(1.1), OutcomeColumns::Ratio).value();
        if let Some(adjusted) = adjusted {
            cover(
                &mut tallies,
                &compare(&adjusted.control, &adjusted.treatment, &Options::default()),
                0.1,
                0.1,
            );
        }
    }
    vec![
        tallies[0].near(
            "a ratio adjusted for two covariates: the interval covers the difference",
            0.95,
            0.003,
        ),
        tallies[1].near("a ratio adjusted for two covariates: the interval covers the lift", 0.95, 0.003),
    ]
}

/// 200 units per arm in three strata by chance, whose means lie 2 apart.
pub(crate) fn strata(draws: u32) -> Vec<Claim> {
    let mut generator = Generator::seeded(81);
    let mut tallies = [Tally::default(); 2];
    for _ in 0..draws {
        let empty = Stratum { control: CoMomentMatrix::new(1), treatment: CoMomentMatrix::new(1) };
        let mut strata = [empty.clone(), empty.clone(), empty];
        for unit in 0..400 {
            let place = generator.below(3);
            let value = 2.0 * place as f64 + generator.normal();
            let stratum = &mut strata[place];
            let (arm, mean) =
                if unit < 200 { (&mut stratum.control, 3.0) } else { (&mut stratum.treatment, 3.5) };
            let _ = arm.push(&[mean + value]).value();
        }
        if let Some(arms) =
            post_stratify(&strata, StratumWeights::Known(&[1.0; 3]), OutcomeColumns::Mean).value()
        {
            cover(&mut tallies, &compare(&arms.control, &arms.treatment, &Options::default()), 0.5, 0.1);
        }
    }
    vec![
        tallies[0].near("a post-stratified interval covers the difference", 0.95, 0.003),
        tallies[1].near("a post-stratified interval covers the lift", 0.95, 0.003),
    ]
}
