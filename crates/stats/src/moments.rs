//! The first two moments of one variable, mergeable without loss.

use serde::{Deserialize, Serialize};

/// How many values there are, their mean, and the sum of squared deviations from it.
///
/// Centred, because `Σx² - (Σx)²/n` of large values with a small spread is noise. Merging in any order gives the moments of
/// the whole. Source: Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances (1979).
///
/// ```
/// use tranche_stats::Moments;
/// let whole = Moments::from_values([3.0, 5.0, 4.0, 8.0]);
/// let parts = Moments::from_values([3.0, 5.0]).merge(&Moments::from_values([4.0, 8.0]));
/// assert_eq!(whole, parts);
/// assert_eq!(parts.variance(), Some(14.0 / 3.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Moments {
    /// How many values.
    pub n: u64,
    /// Σx / n; 0 without values.
    pub mean: f64,
    /// Σ(x - mean)².
    pub m2: f64,
}

impl Moments {
    /// The moments of `values`.
    pub fn from_values(values: impl IntoIterator<Item = f64>) -> Self {
        let mut moments = Self::default();
        values.into_iter().for_each(|value| moments.push(value));
        moments
    }

    /// The moments behind sufficient sums: `sum` = Σx and `sum_squares` = Σx².
    ///
    /// The subtraction is done in doubled precision, so no digit is lost beyond those the sums have lost already. A second moment
    /// within the sums' own rounding is zero.
    pub fn from_sums(n: u64, sum: f64, sum_squares: f64) -> Self {
        if n == 0 {
            return Self::default();
        }
        Self { n, mean: sum / n as f64, m2: centred_squares(n, sum, sum_squares) }
    }

    /// Adds one value. Source: Welford (1962).
    pub fn push(&mut self, value: f64) {
        self.n += 1;
        let delta = value - self.mean;
        self.mean += delta / self.n as f64;
        self.m2 += delta * (value - self.mean);
    }

    /// The moments of both samples together: M₂ = M₂ₐ + M₂ᵦ + δ² nₐ nᵦ / n.
    pub fn merge(&self, other: &Self) -> Self {
        if self.n == 0 || other.n == 0 {
            return if self.n == 0 { *other } else { *self };
        }
        let n = self.n + other.n;
        let share = other.n as f64 / n as f64;
        let delta = other.mean - self.mean;
        Self {
            n,
            mean: self.mean + delta * share,
            m2: self.m2 + other.m2 + delta * delta * self.n as f64 * share,
        }
    }

    /// The sample variance M₂ / (n - 1), unless there are fewer than two values.
    pub fn variance(&self) -> Option<f64> {
        (self.n > 1).then(|| self.m2 / (self.n - 1) as f64)
    }

    /// Σx.
    pub fn sum(&self) -> f64 {
        self.mean * self.n as f64
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self::from_values(values)
    }
}

/// Σx² - (Σx)²/n, or 0 where that is less than what rounding has done to the sums.
pub(crate) fn centred_squares(n: u64, sum: f64, sum_squares: f64) -> f64 {
    let m2 = centred_products(n, sum, sum, sum_squares);
    if m2 <= 4.0 * f64::EPSILON * sum_squares { 0.0 } else { m2 }
}

/// Σxy - ΣxΣy/n, the two products each kept as a pair of floats so that their difference is exact to the last digit.
pub(crate) fn centred_products(n: u64, sum_x: f64, sum_y: f64, sum_products: f64) -> f64 {
    let n = n as f64;
    let scaled = n * sum_products;
    let scaled_rest = n.mul_add(sum_products, -scaled);
    let square = sum_x * sum_y;
    let square_rest = sum_x.mul_add(sum_y, -square);
    ((scaled - square) + (scaled_rest - square_rest)) / n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between 0 and 1 that look random and are the same every time.
    pub(crate) fn noise(count: usize) -> impl Iterator<Item = f64> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        })
        .take(count)
    }

    fn assert_same(left: &Moments, right: &Moments) {
        assert_eq!(left.n, right.n);
        assert!((left.mean / right.mean - 1.0).abs() < 1e-12, "{left:?} {right:?}");
        assert!((left.m2 / right.m2 - 1.0).abs() < 1e-12, "{left:?} {right:?}");
    }

    #[test]
    fn merging_any_parts_gives_the_whole() {
        let values: Vec<f64> = noise(1000).map(|u| 50.0 + 20.0 * u).collect();
        let whole = Moments::from_values(values.iter().copied());
        for cut in [0, 1, 2, 17, 500, 998, 999, 1000] {
            let (left, right) = values.split_at(cut);
            assert_same(
                &Moments::from_iter(left.iter().copied()).merge(&right.iter().copied().collect()),
                &whole,
            );
        }
        let pieces = values.chunks(7).map(|chunk| Moments::from_values(chunk.iter().copied()));
        assert_same(&pieces.fold(Moments::default(), |all, piece| piece.merge(&all)), &whole);
    }

    #[test]
    fn sums_of_large_values_keep_their_spread() {
        let moments = Moments::from_sums(4, 4e6 + 10.0, (1..=4).map(|i| (1e6 + f64::from(i)).powi(2)).sum());
        assert!((moments.m2 - 5.0).abs() < 1e-9, "{moments:?}");
    }

    #[test]
    fn sums_of_equal_values_have_no_spread() {
        let sum: f64 = std::iter::repeat_n(0.1, 1000).sum();
        let sum_squares: f64 = std::iter::repeat_n(0.1 * 0.1, 1000).sum();
        assert_eq!(Moments::from_sums(10, 30.0, 90.0).m2, 0.0);
        assert!(Moments::from_sums(1000, sum, sum_squares).m2 < 1e-12);
    }

    #[test]
    fn one_value_has_no_variance() {
        assert_eq!(Moments::from_values([3.0]).variance(), None);
        assert_eq!(Moments::default().variance(), None);
    }
}
