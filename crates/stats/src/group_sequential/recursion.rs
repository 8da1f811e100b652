//! The distribution of a Brownian motion that has not crossed any boundary so far, by recursive numerical integration.
//!
//! Between looks the score process B(t) gains N(θΔ, Δ). Its density on the continuation region is carried from look to look on
//! Gauss-Legendre panels narrower than the density's own features, which is exact to about 1e-12. Source: Armitage, McPherson and
//! Rowe, Repeated significance tests on accumulating data (1969); Jennison and Turnbull, Group sequential methods with
//! applications to clinical trials (2000), chapter 19.

use statrs::function::erf::erfc;

use crate::distribution::{Normal, solve_tail};

/// The process just after a look, on the paths that continue.
#[derive(Debug, Clone)]
pub(super) struct Continuation {
    /// The information fraction of the look.
    fraction: f64,
    /// The expected score at full information; 0 under the null.
    drift: f64,
    /// Scores, rising, with the probability that each stands for.
    masses: Vec<(f64, f64)>,
}

/// Beyond this many standard deviations nothing is integrated; the tail is 1e-18.
const REACH: f64 = 8.8;
/// Spending less than this a crossing is so rare that the earlier looks no longer count.
const RARE: f64 = 1e-13;
const MOST_PANELS: f64 = 4000.0;
/// Nodes and weights of the 16-point Gauss-Legendre rule on [-1, 1]; the other half mirrors them.
const NODES: [(f64, f64); 8] = [
    (0.095_012_509_837_637_44, 0.189_450_610_455_068_5),
    (0.281_603_550_779_258_9, 0.182_603_415_044_923_6),
    (0.458_016_777_657_227_4, 0.169_156_519_395_002_54),
    (0.617_876_244_402_643_7, 0.149_595_988_816_576_73),
    (0.755_404_408_355_003, 0.124_628_971_255_533_87),
    (0.865_631_202_387_831_7, 0.095_158_511_682_492_78),
    (0.944_575_023_073_232_6, 0.062_253_523_938_647_89),
    (0.989_400_934_991_649_9, 0.027_152_459_411_754_095),
];

impl Continuation {
    /// Before the first look.
    pub(super) fn start(drift: f64) -> Self {
        Self { fraction: 0.0, drift, masses: vec![(0.0, 1.0)] }
    }

    /// The z that paths exceed with the probability `spent` at `fraction`, not having stopped before.
    pub(super) fn critical(&self, fraction: f64, spent: f64) -> f64 {
        let unconditional = Normal.critical(spent.min(1.0 - f64::EPSILON));
        if spent < RARE || self.fraction == 0.0 {
            return unconditional;
        }
        let sd = (fraction - self.fraction).sqrt();
        let density = |z: f64| {
            self.sum(fraction, z, |x| (-0.5 * x * x).exp()) * fraction.sqrt()
                / (sd * std::f64::consts::TAU.sqrt())
        };
        solve_tail(spent, unconditional, -REACH, |z| self.above(fraction, z), density)
    }

    /// The probability of a z above `critical` at `fraction`, not having stopped before.
    pub(super) fn above(&self, fraction: f64, critical: f64) -> f64 {
        self.sum(fraction, critical, tail)
    }

    /// The probability of a z below `critical` at `fraction`, not having stopped before.
    pub(super) fn below(&self, fraction: f64, critical: f64) -> f64 {
        self.sum(fraction, critical, |x| tail(-x))
    }

    fn sum(&self, fraction: f64, critical: f64, f: impl Fn(f64) -> f64) -> f64 {
        let gained = fraction - self.fraction;
        let (level, sd) = (critical * fraction.sqrt() - self.drift * gained, gained.sqrt());
        self.masses.iter().map(|(score, mass)| mass * f((level - score) / sd)).sum()
    }

    /// The paths that continue after a look at `fraction` with z between `lo` and `hi`; `next` is the information until the look
    /// after it.
    pub(super) fn advance(&self, fraction: f64, lo: f64, hi: f64, next: f64) -> Self {
        let (root, gained) = (fraction.sqrt(), fraction - self.fraction);
        let (sd, centre) = (gained.sqrt(), self.drift * fraction);
        let lo = (lo * root).max(centre - REACH * root);
        let hi = (hi * root).min(centre + REACH * root);
        let panels = ((hi - lo) / (2.5 * sd.min(next.sqrt()))).ceil().clamp(1.0, MOST_PANELS);
        let half = 0.5 * (hi - lo) / panels;
        let scale = half / (sd * std::f64::consts::TAU.sqrt());
        let mut masses = Vec::new();
        for panel in 0..panels as u32 {
            let middle = lo + half * (2.0 * f64::from(panel) + 1.0);
            let below = NODES.iter().rev().map(|(node, weight)| (-node, weight));
            for (node, weight) in below.chain(NODES.iter().map(|(node, weight)| (*node, weight))) {
                let score = middle + half * node;
                masses.push((score, weight * scale * self.kernel(score - self.drift * gained, sd)));
            }
        }
        Self { fraction, drift: self.drift, masses }
    }

    /// Σ mass exp(-(score - x)² / 2 sd²) over the masses that are near enough to count.
    fn kernel(&self, score: f64, sd: f64) -> f64 {
        let from = self.masses.partition_point(|(x, _)| *x < score - REACH * sd);
        let near = self.masses[from..].iter().take_while(|(x, _)| *x <= score + REACH * sd);
        near.map(|(x, mass)| mass * (-0.5 * ((score - x) / sd).powi(2)).exp()).sum()
    }
}

/// P(Z > x) to 1e-11 of itself, quickly.
fn tail(x: f64) -> f64 {
    0.5 * erfc(x * std::f64::consts::FRAC_1_SQRT_2)
}
