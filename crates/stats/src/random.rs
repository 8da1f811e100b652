//! A small deterministic generator, for resampling and for simulations.

/// SplitMix64: the same numbers for the same seed on every machine. Not for secrets.
///
/// Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (2014).
///
/// ```
/// use tranche_stats::Generator;
/// let mut generator = Generator::seeded(1234567);
/// assert_eq!(generator.bits(), 6457827717110365317); // as in the reference implementation
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generator {
    state: u64,
}

impl Generator {
    /// The sequence that belongs to `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number strictly between 0 and 1, one of 2^53.
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// A whole number below `bound`; 0 for a bound of 0. The bias is below `bound` / 2^64.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// A draw from N(0, 1), by Box and Muller's transformation.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Moments;

    /// The first outputs of the reference implementation for the seed 1234567.
    #[test]
    fn bits_are_those_of_the_reference() {
        let mut generator = Generator::seeded(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(expected.map(|_| generator.bits()), expected);
    }

    #[test]
    fn draws_have_their_moments() {
        let mut generator = Generator::seeded(7);
        let normal = Moments::from_values((0..100_000).map(|_| generator.normal()));
        let uniform = Moments::from_values((0..100_000).map(|_| generator.uniform()));
        let below = Moments::from_values((0..100_000).map(|_| generator.below(7) as f64));
        assert!(
            normal.mean.abs() < 0.013
                && normal.variance().is_some_and(|variance| (variance - 1.0).abs() < 0.02)
        );
        assert!((uniform.mean - 0.5).abs() < 0.004 && (below.mean - 3.0).abs() < 0.03);
        assert_eq!(generator.below(0), 0);
    }
}
