//! Rows in clusters: whether intervals cover, and what they would cover if rows were taken as independent.

use tranche_stats::distribution::Normal;
use tranche_stats::{Arm, ClusteredQuantile, CoMoments, Generator, Interval, Moments};

use crate::claim::{Claim, Tally};

const CLUSTERS: usize = 500;

/// 500 clusters of 1 to 9 rows; a row is N(0, 2), half of it common to its cluster.
pub(crate) fn clustered(draws: u32) -> Vec<Claim> {
    let mut generator = Generator::seeded(91);
    let mut mean = Tally::default();
    let mut rows_alone = Tally::default();
    let mut quantiles = [(0.5, Tally::default()), (0.9, Tally::default())];
    let z = Normal.critical(0.025);
    for _ in 0..draws {
        let clusters: Vec<Vec<f64>> = (0..CLUSTERS)
            .map(|_| {
                let common = generator.normal();
                (0..=generator.below(9)).map(|_| common + generator.normal()).collect()
            })
            .collect();
        let size = |rows: &Vec<f64>| rows.len() as f64;
        let arm = Arm::clustered_mean(&CoMoments::from_pairs(
            clusters.iter().map(|rows| (rows.iter().sum(), size(rows))),
        ));
        let covers = |arm: &Arm, truth| {
            arm.standard_error().is_ok_and(|se| Interval::around(arm.mean, z * se).contains(truth))
        };
        mean.count(covers(&arm, 0.0));
        let mut sorted: Vec<f64> = clusters.iter().flatten().copied().collect();
        rows_alone.count(covers(&Arm::mean(&Moments::from_values(sorted.iter().copied())), 0.0));
        sorted.sort_by(f64::total_cmp);
        let sample = |level: f64| sorted[((level * sorted.len() as f64) as usize).min(sorted.len() - 1)];
        for (level, tally) in &mut quantiles {
            let estimate = sample(*level);
            let below = |rows: &Vec<f64>| {
                (rows.iter().filter(|value| **value <= estimate).count() as f64, size(rows))
            };
            let quantile = ClusteredQuantile {
                level: *level,
                estimate,
                below: CoMoments::from_pairs(clusters.iter().map(below)),
            };
            let arm = quantile.levels(0.05).map(|[lo, hi]| quantile.arm(sample(lo), sample(hi), 0.05));
            tally
                .count(arm.is_ok_and(|arm| covers(&arm, std::f64::consts::SQRT_2 * Normal.quantile(*level))));
        }
    }
    let mut claims = vec![mean.near("the interval of a clustered mean covers it", 0.95, 0.005)];
    claims.extend(quantiles.map(|(level, tally)| {
        tally.near(format!("the interval of a clustered quantile ({level}) covers it"), 0.95, 0.01)
    }));
    claims.push(rows_alone.at_most("for comparison: the same mean, its rows taken as independent", 0.8));
    claims
}
