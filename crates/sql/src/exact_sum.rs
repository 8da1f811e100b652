//! Sums of floating point that are what they are in whatever order their values come, and whoever adds them up.
//!
//! A float has 53 bits, so that each addition rounds, and two orders of the same values give two sums. An [`ExactSum`] holds what
//! was rounded off in two further floats (Shewchuk 1997, "Adaptive Precision Floating-Point Arithmetic"): 159 bits and more, in
//! which the sum of values of any usual size is exact, and the nearest float to it is the result. Only where values lie further
//! apart than that (1e30 beside 1e-18) can the last bit still depend on the order.

/// A sum of floats: three that do not overlap, the largest first, whose sum it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ExactSum(pub(crate) [f64; 3]);

impl ExactSum {
    /// The sum that [`parts`](Self::parts) are of.
    #[must_use]
    pub fn from_parts(parts: [f64; 3]) -> Self {
        Self(parts)
    }

    /// The floats that it is the sum of, for those who store it.
    #[must_use]
    pub fn parts(&self) -> [f64; 3] {
        self.0
    }

    /// Adds a value. What is not finite stays: infinity, or no number.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let [large, middle, small] = self.0;
        let (large, rest) = two_sum(large, value);
        if !rest.is_finite() {
            self.0 = [large, 0.0, 0.0];
            return;
        }
        if rest == 0.0 && middle == 0.0 {
            self.0 = [large, 0.0, 0.0];
            return;
        }
        let (middle, rest) = two_sum(middle, rest);
        let small = small + rest;
        // What was cancelled out above leaves room for what is below.
        let (middle, small) = two_sum(middle, small);
        let (large, middle) = two_sum(large, middle);
        let (middle, small) = two_sum(middle, small);
        self.0 = [large, middle, small];
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|part| self.add(part));
    }

    /// Adds the product of two numbers, exactly.
    fn add_product(&mut self, a: f64, b: f64) {
        let (product, rest) = two_product(a, b);
        self.add(product);
        if rest.is_finite() {
            self.add(rest);
        }
    }

    /// The float that is nearest to the sum.
    #[must_use]
    pub fn value(&self) -> f64 {
        let [large, middle, small] = self.0;
        let (sum, rest) = two_sum(large, middle);
        if !rest.is_finite() {
            return sum;
        }
        // In the middle between two floats, what is below decides.
        if rest != 0.0 && (rest > 0.0) == (small > 0.0) && small != 0.0 {
            let (other, step) = (sum + 2.0 * rest, 2.0 * rest);
            if other - sum == step {
                return other;
            }
        }
        sum
    }

    /// The sum divided by a number of values.
    #[must_use]
    pub fn mean(&self, n: f64) -> f64 {
        self.value() / n
    }
}

/// How many values there are, their sum and that of their squares; mergeable.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    /// Values.
    pub n: u64,
    /// Their sum.
    pub sum: ExactSum,
    /// The sum of their squares.
    pub squares: ExactSum,
}

impl Moments {
    /// Adds a value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.n += 1;
        self.sum.add(value);
        self.squares.add_product(value, value);
    }

    /// Takes away a value that was added.
    pub fn subtract(&mut self, value: f64) {
        self.n -= 1;
        self.sum.add(-value);
        self.squares.add_product(-value, value);
    }

    /// Adds the moments of other values.
    pub fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.sum.merge(other.sum);
        self.squares.merge(other.squares);
    }

    /// The sum of squared deviations from the mean.
    #[must_use]
    pub fn squared_deviations(&self) -> f64 {
        let found = deviations(self.n, self.squares, self.sum, self.sum);
        if found < 0.0 { 0.0 } else { found }
    }

    /// The variance of the values, or of the population that they are a sample of; none of fewer values than it takes.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    pub fn variance(&self, is_sample: bool) -> Option<f64> {
        let degrees = self.n.checked_sub(u64::from(is_sample)).filter(|degrees| *degrees > 0)?;
        Some(self.squared_deviations() / degrees as f64)
    }
}

/// How many pairs there are, the moments of both sides and the sum of their products; mergeable.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct PairMoments {
    /// Of the first of each pair.
    pub(crate) y: Moments,
    /// Of the second.
    pub(crate) x: Moments,
    /// The sum of their products.
    pub(crate) products: ExactSum,
}

impl PairMoments {
    /// Adds a pair.
    pub(crate) fn add(&mut self, y: f64, x: f64) {
        self.y.add(y);
        self.x.add(x);
        self.products.add_product(y, x);
    }

    /// Takes away a pair that was added.
    pub(crate) fn subtract(&mut self, y: f64, x: f64) {
        self.y.subtract(y);
        self.x.subtract(x);
        self.products.add_product(-y, x);
    }

    /// Adds the moments of other pairs.
    pub(crate) fn merge(&mut self, other: Self) {
        self.y.merge(other.y);
        self.x.merge(other.x);
        self.products.merge(other.products);
    }

    /// The sum of the products of both deviations from their means.
    pub(crate) fn product_of_deviations(&self) -> f64 {
        deviations(self.x.n, self.products, self.y.sum, self.x.sum)
    }
}

/// The sum of the products of deviations from two means: the products less one sum times the other's mean, in all bits that there
/// are, so that nothing is lost where both are large.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn deviations(n: u64, products: ExactSum, a: ExactSum, b: ExactSum) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let n = n as f64;
    let (mut left, mut found) = (a, products);
    for _ in 0..3 {
        // The next digits of the mean, as in division by hand.
        let mean = left.value() / n;
        left.add_product(-mean, n);
        b.0.into_iter().for_each(|part| found.add_product(-part, mean));
    }
    found.value()
}

/// The rounded sum of two numbers and what was rounded off (Knuth 1969).
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let other = sum - a;
    (sum, (a - (sum - other)) + (b - other))
}

/// The rounded product of two numbers and what was rounded off (Dekker 1971).
#[inline]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let ((a_high, a_low), (b_high, b_low)) = (halves(a), halves(b));
    let rest = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low);
    (product, rest)
}

/// A number as two of 26 bits each (Veltkamp).
#[inline]
fn halves(a: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * a;
    let high = scaled - (scaled - a);
    (high, a - high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        values.iter().for_each(|&value| sum.add(value));
        sum.value()
    }

    fn moments(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|&value| moments.add(value));
        moments
    }

    /// Numbers between -1 and 1, the same each time.
    fn numbers(seed: u64, n: usize) -> Vec<f64> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            #[expect(clippy::cast_precision_loss, reason = "any number will do")]
            let number = (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
            number
        };
        std::iter::repeat_with(next).take(n).collect()
    }

    #[test]
    fn sums_are_those_of_all_digits() {
        // As `math.fsum` of Python has them.
        for (values, expected) in [
            (&[0.1; 10][..], 1.0),
            (&[1e16, 1.0, -1e16, 0.1, 0.2, 0.3], 1.6),
            (&[1e100, 1.0, -1e100], 1.0),
            (&[1.0, 1e-16, 1e-16], 1.000_000_000_000_000_2),
            (&[9_007_199_254_740_992.0, 1.0, 1e-30], 9_007_199_254_740_994.0),
            (&[9_007_199_254_740_992.0, 1.0], 9_007_199_254_740_992.0),
            (&[9_007_199_254_740_992.0, 1.0, -1e-30], 9_007_199_254_740_992.0),
            (&[-9_007_199_254_740_992.0, -1.0, -1e-30], -9_007_199_254_740_994.0),
            (&[], 0.0),
        ] {
            assert_eq!(sum(values), expected, "{values:?}");
            let backwards: Vec<f64> = values.iter().rev().copied().collect();
            assert_eq!(sum(&backwards), expected, "{backwards:?}");
        }
        assert!(sum(&[1.0, f64::NAN]).is_nan() && sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum(&[1.0, f64::INFINITY, 2.0]), f64::INFINITY);
    }

    #[test]
    fn neither_the_order_nor_the_parts_of_a_sum_show() {
        for seed in 0..50 {
            let mut values: Vec<f64> = numbers(seed, 400)
                .iter()
                .zip(numbers(seed + 99, 400))
                .map(|(a, b)| a * 10f64.powf(8.0 * b))
                .collect();
            let (whole, spread) = (sum(&values), moments(&values).squared_deviations());
            for round in 1..8 {
                values.rotate_left(37 * round);
                values.reverse();
                let cut = values.len() / (round + 1);
                let mut parts = moments(&values[..cut]);
                parts.merge(moments(&values[cut..]));
                assert_eq!(parts.sum.value(), whole, "{seed}");
                assert_eq!(parts.squared_deviations(), spread, "{seed}");
                let mut less = moments(&values);
                values[..cut].iter().for_each(|&value| less.subtract(value));
                assert_eq!(less.sum.value(), sum(&values[cut..]), "{seed}");
            }
        }
    }

    #[test]
    fn deviations_of_pairs_do_not_depend_on_their_order_or_how_far_they_are_from_zero() {
        let (ys, xs) = (numbers(3, 300), numbers(4, 300));
        let of = |order: &mut dyn Iterator<Item = usize>| {
            let mut pairs = PairMoments::default();
            order.for_each(|at| pairs.add(1e9 + ys[at], xs[at] - 1e9));
            pairs
        };
        let whole = of(&mut (0..300));
        let mut parts = of(&mut (100..300).rev());
        parts.merge(of(&mut (0..100)));
        assert_eq!(parts.product_of_deviations(), whole.product_of_deviations());
        let mut less = whole;
        (200..300).for_each(|at| less.subtract(1e9 + ys[at], xs[at] - 1e9));
        assert_eq!(less.product_of_deviations(), of(&mut (0..200)).product_of_deviations());
        // As `statistics.covariance` of Python has it: 5 / 3 of these, wherever they lie.
        let mut far = PairMoments::default();
        for (y, x) in [(1.0, 2.0), (2.0, 1.0), (3.0, 4.0), (4.0, 3.0)] {
            far.add(1e12 + y, 1e12 + x);
        }
        assert_eq!(far.product_of_deviations(), 3.0);
    }

    #[test]
    fn variances_are_those_of_all_digits() {
        // As `statistics.variance` of Python has them.
        let far = [1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0];
        assert_eq!(moments(&far).variance(true), Some(30.0));
        assert_eq!(moments(&far).variance(false), Some(22.5));
        assert_eq!(moments(&[0.1, 0.1, 0.1]).variance(true), Some(0.0));
        assert_eq!(moments(&[2.5]).variance(true), None);
        assert_eq!(moments(&[2.5]).variance(false), Some(0.0));
        assert_eq!(
            moments(&[2.75, 1.75, 1.25, 0.25, 0.5, 1.25, 3.5]).variance(true),
            Some(1.372_023_809_523_809_5)
        );
    }
}
