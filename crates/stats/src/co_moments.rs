//! The first two moments of two variables measured together, for ratios and for CUPED.

use serde::{Deserialize, Serialize};

use crate::Moments;
use crate::moments::{centred_products, centred_squares};

/// Means, centred second moments and the centred product of pairs (x, y); one pair per unit.
///
/// A ratio has its numerator in x and its denominator in y; CUPED has the outcome in x and the covariate in y. Mergeable as
/// [`Moments`] are. Source: Chan, Golub and LeVeque (1979); for products Pébay, Formulas for robust, one-pass parallel
/// computation (2008).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CoMoments {
    /// How many pairs.
    pub n: u64,
    /// Σx / n.
    pub mean_x: f64,
    /// Σy / n.
    pub mean_y: f64,
    /// Σ(x - mean_x)².
    pub m2_x: f64,
    /// Σ(y - mean_y)².
    pub m2_y: f64,
    /// Σ(x - mean_x)(y - mean_y).
    pub c_xy: f64,
}

/// The sufficient sums of pairs, as a query returns them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PairSums {
    /// How many pairs.
    pub n: u64,
    /// Σx.
    pub sum_x: f64,
    /// Σy.
    pub sum_y: f64,
    /// Σx².
    pub sum_squares_x: f64,
    /// Σy².
    pub sum_squares_y: f64,
    /// Σxy.
    pub sum_products: f64,
}

impl CoMoments {
    /// The moments of `pairs`.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut moments = Self::default();
        pairs.into_iter().for_each(|(x, y)| moments.push(x, y));
        moments
    }

    /// The moments behind sufficient sums, with the care of [`Moments::from_sums`].
    pub fn from_sums(sums: &PairSums) -> Self {
        let &PairSums { n, sum_x, sum_y, sum_squares_x, sum_squares_y, sum_products } = sums;
        if n == 0 {
            return Self::default();
        }
        Self {
            n,
            mean_x: sum_x / n as f64,
            mean_y: sum_y / n as f64,
            m2_x: centred_squares(n, sum_x, sum_squares_x),
            m2_y: centred_squares(n, sum_y, sum_squares_y),
            c_xy: centred_products(n, sum_x, sum_y, sum_products),
        }
    }

    /// Adds one pair.
    pub fn push(&mut self, x: f64, y: f64) {
        self.n += 1;
        let n = self.n as f64;
        let (delta_x, delta_y) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += delta_x / n;
        self.mean_y += delta_y / n;
        self.m2_x += delta_x * (x - self.mean_x);
        self.m2_y += delta_y * (y - self.mean_y);
        self.c_xy += delta_x * (y - self.mean_y);
    }

    /// The moments of both samples together.
    pub fn merge(&self, other: &Self) -> Self {
        let (x, y) = (self.x().merge(&other.x()), self.y().merge(&other.y()));
        if self.n == 0 || other.n == 0 {
            return if self.n == 0 { *other } else { *self };
        }
        let between = (other.mean_x - self.mean_x) * (other.mean_y - self.mean_y);
        let weight = self.n as f64 * (other.n as f64 / x.n as f64);
        Self { n: x.n, mean_x: x.mean, mean_y: y.mean, m2_x: x.m2, m2_y: y.m2, c_xy: self.c_xy + other.c_xy + between * weight }
    }

    /// The moments of x alone.
    pub fn x(&self) -> Moments {
        Moments { n: self.n, mean: self.mean_x, m2: self.m2_x }
    }

    /// The moments of y alone.
    pub fn y(&self) -> Moments {
        Moments { n: self.n, mean: self.mean_y, m2: self.m2_y }
    }

    /// The sample covariance c_xy / (n - 1), unless there are fewer than two pairs.
    pub fn covariance(&self) -> Option<f64> {
        (self.n > 1).then(|| self.c_xy / (self.n - 1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> Vec<(f64, f64)> {
        (0..500).map(|i| (f64::from(i * 37 % 101) + 40.0, f64::from(i * 53 % 97) * 0.5 + f64::from(i % 7))).collect()
    }

    fn assert_same(left: &CoMoments, right: &CoMoments) {
        let fields = |m: &CoMoments| [m.n as f64, m.mean_x, m.mean_y, m.m2_x, m.m2_y, m.c_xy];
        for (l, r) in fields(left).into_iter().zip(fields(right)) {
            assert!((l - r).abs() <= 1e-12 * r.abs().max(1.0), "{left:?} {right:?}");
        }
    }

    #[test]
    fn merging_any_parts_gives_the_whole() {
        let whole = CoMoments::from_pairs(pairs());
        for cut in [0, 1, 3, 250, 499, 500] {
            let (left, right) = (pairs()[..cut].to_vec(), pairs()[cut..].to_vec());
            assert_same(&CoMoments::from_pairs(left).merge(&CoMoments::from_pairs(right)), &whole);
        }
    }

    #[test]
    fn sums_hold_the_same_moments() {
        let sums = pairs().iter().fold(PairSums::default(), |s, (x, y)| PairSums {
            n: s.n + 1,
            sum_x: s.sum_x + x,
            sum_y: s.sum_y + y,
            sum_squares_x: s.sum_squares_x + x * x,
            sum_squares_y: s.sum_squares_y + y * y,
            sum_products: s.sum_products + x * y,
        });
        assert_same(&CoMoments::from_sums(&sums), &CoMoments::from_pairs(pairs()));
    }
}
