//! New variants for units, by the declared shares.

use tranche_stats::Generator;

/// Every draw of variants, each from a seed of its own.
#[derive(Debug)]
pub(super) struct Draws {
    /// The end of each variant's part of the numbers of 64 bits, but for the last, which has the rest.
    ends: Vec<u64>,
    seeds: Vec<u64>,
    rows: usize,
    /// What each row was drawn with, where several rows are drawn as one.
    together: Option<Vec<usize>>,
}

impl Draws {
    /// Draws for so many rows, each on its own; `shares` add up to 1.
    pub(super) fn new(shares: impl Iterator<Item = f64>, seed: u64, iterations: usize, rows: usize) -> Self {
        let mut generator = Generator::seeded(seed);
        let mut total = 0.0;
        let mut ends: Vec<u64> = shares
            .map(|share| {
                total += share;
                part(total)
            })
            .collect();
        ends.pop();
        Self { ends, seeds: (0..iterations).map(|_| generator.bits()).collect(), rows, together: None }
    }

    /// The same where rows of one number get one variant; numbers are below the count of different ones.
    #[cfg(test)]
    pub(super) fn together(self, numbers: Vec<usize>) -> Self {
        Self { together: Some(numbers), ..self }
    }

    pub(super) fn iterations(&self) -> usize {
        self.seeds.len()
    }

    /// The variant of each row, as its place among the shares, in one draw.
    pub(super) fn draw(&self, iteration: usize) -> Vec<u16> {
        let mut generator = Generator::seeded(self.seeds[iteration]);
        let mut next = || {
            let bits = generator.bits();
            let before = self.ends.iter().filter(|end| bits >= **end).count();
            u16::try_from(before).unwrap_or(u16::MAX)
        };
        match &self.together {
            None => (0..self.rows).map(|_| next()).collect(),
            Some(numbers) => {
                let count = numbers.iter().max().map_or(0, |most| most + 1);
                let drawn: Vec<u16> = (0..count).map(|_| next()).collect();
                numbers.iter().map(|number| drawn[*number]).collect()
            }
        }
    }
}

/// This share of all numbers of 64 bits.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of u64::MAX"
)]
fn part(share: f64) -> u64 {
    (share * u64::MAX as f64) as u64
}
