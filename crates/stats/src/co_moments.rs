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

    /// The moments of the pairs of each of `groups` groups, from triples of group, x and y; two passes over them.
    ///
    /// The means first, as distances from each group's first pair so that values that are all alike have no spread at all; then what
    /// the pairs deviate from them, corrected by what rounding left in the means. Source: Chan, Golub and LeVeque, Algorithms for
    /// computing the sample variance (1983), the corrected two-pass algorithm.
    pub fn of_groups(groups: usize, pairs: impl Iterator<Item = (usize, f64, f64)> + Clone) -> Vec<Self> {
        let mut moments = vec![Self::default(); groups];
        let mut rest = vec![(0.0, 0.0); groups];
        for (group, x, y) in pairs.clone() {
            let (own, rest) = (&mut moments[group], &mut rest[group]);
            if own.n == 0 {
                (own.mean_x, own.mean_y) = (x, y);
            }
            own.n += 1;
            rest.0 += x - own.mean_x;
            rest.1 += y - own.mean_y;
        }
        let add_rest = |moments: &mut [Self], rest: &[(f64, f64)]| {
            for (own, (x, y)) in moments.iter_mut().zip(rest).filter(|(own, _)| own.n > 0) {
                let n = own.n as f64;
                own.mean_x += x / n;
                own.mean_y += y / n;
                own.m2_x = (own.m2_x - x * x / n).max(0.0);
                own.m2_y = (own.m2_y - y * y / n).max(0.0);
                own.c_xy -= x * y / n;
            }
        };
        add_rest(&mut moments, &rest);
        moments.iter_mut().for_each(|own| own.c_xy = 0.0);
        rest.fill((0.0, 0.0));
        for (group, x, y) in pairs {
            let (own, rest) = (&mut moments[group], &mut rest[group]);
            let (delta_x, delta_y) = (x - own.mean_x, y - own.mean_y);
            rest.0 += delta_x;
            rest.1 += delta_y;
            own.m2_x += delta_x * delta_x;
            own.m2_y += delta_y * delta_y;
            own.c_xy += delta_x * delta_y;
        }
        add_rest(&mut moments, &rest);
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
        Self {
            n: x.n,
            mean_x: x.mean,
            mean_y: y.mean,
            m2_x: x.m2,
            m2_y: y.m2,
            c_xy: self.c_xy + other.c_xy + between * weight,
        }
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
        (0..500)
            .map(|i| (f64::from(i * 37 % 101) + 40.0, f64::from(i * 53 % 97) * 0.5 + f64::from(i % 7)))
            .collect()
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
    fn the_moments_of_groups_are_those_of_each_alone() {
        let far = |(x, y): (f64, f64)| (x + 1e7, y - 3e6);
        let grouped: Vec<(usize, f64, f64)> =
            pairs().into_iter().map(far).enumerate().map(|(i, (x, y))| (i % 3, x, y)).collect();
        let found = CoMoments::of_groups(4, grouped.iter().copied());
        for (group, moments) in found.iter().enumerate() {
            let own = grouped.iter().filter(|(of, ..)| *of == group).map(|(_, x, y)| (*x, *y));
            assert_same(&CoMoments { mean_x: 0.0, mean_y: 0.0, ..*moments }, &{
                let alone = CoMoments::from_pairs(own.map(|(x, y)| (x - 1e7, y + 3e6)));
                CoMoments { mean_x: 0.0, mean_y: 0.0, ..alone }
            });
        }
        assert_eq!(found[3], CoMoments::default());
    }

    #[test]
    fn values_that_are_all_alike_have_no_spread() {
        let found = CoMoments::of_groups(3, (0..9973).map(|i| (i * i % 3, 0.1, 7.3)));
        let whole = found.iter().fold(CoMoments::default(), |whole, one| whole.merge(one));
        assert_eq!((whole.n, whole.mean_x, whole.mean_y), (9973, 0.1, 7.3));
        assert_eq!((whole.m2_x, whole.m2_y, whole.c_xy), (0.0, 0.0, 0.0));
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
