//! Families of ten tests, three of them of true effects: how often they err.

use tranche_stats::distribution::Normal;
use tranche_stats::{Adjustment, Family, Generator};

use crate::claim::{Claim, Tally};

const EFFECTS: [f64; 10] = [3.0, 2.5, -3.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];

pub(crate) fn families(draws: u32) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (seed, name, shared) in [(101, "independent", 0.0), (102, "correlated by .5", 0.5)] {
        let mut generator = Generator::seeded(seed);
        let wise = [Adjustment::Bonferroni, Adjustment::Holm, Adjustment::Hochberg];
        let discovery = [Adjustment::BenjaminiHochberg, Adjustment::BenjaminiYekutieli];
        let (mut any, mut share, mut missed) =
            ([Tally::default(); 3], [Tally::default(); 2], [Tally::default(); 2]);
        let mut simultaneous = Tally::default();
        let p_of = |z: [f64; 10]| z.map(|z| (2.0 * Normal.survival(z.abs())).min(1.0));
        for _ in 0..draws {
            let common = f64::sqrt(shared) * generator.normal();
            let noise = EFFECTS.map(|_| common + f64::sqrt(1.0 - shared) * generator.normal());
            // An interval at some alpha misses exactly when the p-value of the truth is at most that alpha.
            let p_of_truth = p_of(noise);
            let mut z = noise;
            z.iter_mut().zip(EFFECTS).for_each(|(z, effect)| *z += effect);
            let p = p_of(z).to_vec();
            let family = |method| Family { p: p.clone(), alpha: 0.05, method };
            let false_ones = |rejected: &[bool]| rejected[3..].iter().filter(|rejected| **rejected).count();
            for (tally, method) in any.iter_mut().zip(wise) {
                tally.count(false_ones(&family(method).rejected()) > 0);
            }
            let missing = |alphas: Vec<Option<f64>>| {
                let formed =
                    || alphas.iter().zip(p_of_truth).filter_map(|(alpha, p)| Some((alpha.as_ref()?, p)));
                (formed().filter(|(alpha, p)| p <= alpha).count(), formed().count())
            };
            for (place, method) in discovery.into_iter().enumerate() {
                let rejected = family(method).rejected();
                let count = rejected.iter().filter(|rejected| **rejected).count();
                share[place].add(false_ones(&rejected) as f64 / count.max(1) as f64);
                let (misses, formed) = missing(family(method).interval_alphas());
                missed[place].add(misses as f64 / formed.max(1) as f64);
            }
            simultaneous.count(missing(family(Adjustment::Bonferroni).interval_alphas()).0 > 0);
        }
        for (tally, method) in any.iter().zip(wise) {
            claims.push(tally.at_most(format!("family-wise error, {}, {name}", method.name()), 0.05));
        }
        for (place, method) in discovery.into_iter().enumerate() {
            claims
                .push(share[place].at_most(format!("false discovery rate, {}, {name}", method.name()), 0.05));
            claims.push(missed[place].at_most(
                format!("false coverage rate of adjusted intervals, {}, {name}", method.name()),
                0.05,
            ));
        }
        claims.push(
            simultaneous.at_most(format!("any simultaneous interval misses, bonferroni, {name}"), 0.05),
        );
    }
    claims
}
