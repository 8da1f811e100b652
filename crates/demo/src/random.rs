//! A small deterministic source of randomness, and the distributions that the demo draws from.
//!
//! Every customer, month and topic has a stream of its own, so that a change in one of them leaves the others as they were, and a
//! smaller demo holds the same first customers as a larger one.

/// What a stream is for; streams of different topics are independent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Topic {
    /// Who the customers are.
    Population = 1,
    /// What they order.
    Orders,
    /// Orders of people without a customer row.
    Guests,
    /// Mails and what becomes of them.
    Sends,
    /// The win-back experiment.
    Winback,
    /// Visits, searches and carts.
    WebEvents,
    /// Answers to the survey.
    Survey,
    /// Complaints about orders.
    Complaints,
    /// Which raw rows are corrupted, and how.
    Corruption,
}

/// The generator xoshiro256++ (Blackman and Vigna 2019), seeded by splitmix64.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream of a topic for one customer (or 0) and one month (or 0).
    pub(crate) fn stream(seed: u64, topic: Topic, customer: u64, month: u64) -> Self {
        let mut mixed = seed;
        for part in [topic as u64, customer, month] {
            mixed = splitmix(&mut mixed) ^ part.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        }
        Self { state: [(); 4].map(|()| splitmix(&mut mixed)) }
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let drawn = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        drawn
    }

    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform among `from..to`, which must not be empty.
    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + (self.uniform() * (to - from) as f64) as i64
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Exponential with the given mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }

    /// Standard normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Log-normal with the given median and spread of the logarithm.
    pub(crate) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Gamma with the given shape and mean, by Marsaglia and Tsang.
    pub(crate) fn gamma(&mut self, shape: f64, mean: f64) -> f64 {
        let boost = if shape < 1.0 { (1.0 - self.uniform()).powf(1.0 / shape) } else { 1.0 };
        let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.uniform()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return boost * d * v * mean / shape;
            }
        }
    }

    /// One of the items, each as likely as its weight says. The list must not be empty.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[(T, u32)]) -> T {
        let total: u32 = items.iter().map(|(_, weight)| weight).sum();
        let mut left = self.uniform() * f64::from(total);
        for (item, weight) in items {
            left -= f64::from(*weight);
            if left < 0.0 {
                return *item;
            }
        }
        items[items.len() - 1].0
    }

    /// One of the items, each as likely as the next. The list must not be empty.
    pub(crate) fn choose<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.between(0, items.len() as i64) as usize]
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(draw: impl FnMut() -> f64) -> f64 {
        std::iter::repeat_with(draw).take(200_000).sum::<f64>() / 200_000.0
    }

    #[test]
    fn distributions_have_their_means() {
        let mut random = Random::stream(1, Topic::Orders, 2, 3);
        assert!((mean(|| random.uniform()) - 0.5).abs() < 0.01);
        assert!((mean(|| random.exponential(3.0)) - 3.0).abs() < 0.05);
        assert!(mean(|| random.normal()).abs() < 0.01);
        assert!((mean(|| random.gamma(0.8, 2.0)) - 2.0).abs() < 0.05);
        assert!((mean(|| random.gamma(3.0, 2.0)) - 2.0).abs() < 0.05);
    }

    #[test]
    fn streams_repeat_and_differ() {
        let first = |topic, customer| Random::stream(7, topic, customer, 0).next();
        assert_eq!(first(Topic::Orders, 1), first(Topic::Orders, 1));
        assert_ne!(first(Topic::Orders, 1), first(Topic::Orders, 2));
        assert_ne!(first(Topic::Orders, 1), first(Topic::Sends, 1));
    }

    #[test]
    fn picks_follow_their_weights() {
        let mut random = Random::stream(1, Topic::Corruption, 0, 0);
        let share = mean(|| f64::from(random.pick(&[(0_u8, 1), (1, 3)])));
        assert!((share - 0.75).abs() < 0.01);
    }
}
