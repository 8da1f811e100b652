//! The first two moments of any number of variables measured together.

use serde::{Deserialize, Serialize};

use crate::{Outcome, Reason};

/// Means and centred products of rows, one row per unit, one column per variable. Mergeable as [`Moments`](crate::Moments) are.
///
/// Source: Pébay, Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments (2008).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CoMomentMatrix {
    /// How many rows.
    pub n: u64,
    /// The mean of each column.
    pub means: Vec<f64>,
    /// Σ(xᵢ - meanᵢ)(xⱼ - meanⱼ) for j ≤ i, row by row of the lower triangle; columns (columns + 1) / 2 numbers.
    pub products: Vec<f64>,
}

impl CoMomentMatrix {
    /// No rows yet, of `columns` columns.
    pub fn new(columns: usize) -> Self {
        Self { n: 0, means: vec![0.0; columns], products: vec![0.0; columns * (columns + 1) / 2] }
    }

    /// The moments of `rows`; undefined when they are not all of one length. No rows have no columns.
    pub fn from_rows<'a>(rows: impl IntoIterator<Item = &'a [f64]>) -> Outcome<Self> {
        let mut rows = rows.into_iter().peekable();
        let mut moments = Self::new(rows.peek().map_or(0, |row| row.len()));
        rows.try_for_each(|row| moments.add(row)).map(|()| moments).into()
    }

    /// Adds one row; undefined when it has not one value per column.
    pub fn push(&mut self, row: &[f64]) -> Outcome<()> {
        self.add(row).into()
    }

    /// The moments of both samples together; undefined when both have rows and they differ in columns.
    pub fn merge(&self, other: &Self) -> Outcome<Self> {
        self.with(other).into()
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.means.len()
    }

    /// Σ(xᵢ - meanᵢ)(xⱼ - meanⱼ), for columns counted from 0 in either order.
    pub fn product(&self, i: usize, j: usize) -> f64 {
        let (row, column) = (i.max(j), i.min(j));
        self.products[row * (row + 1) / 2 + column]
    }

    /// The product of two linear combinations of the columns, and the sum of the absolute values of its terms.
    pub(crate) fn form(&self, left: &[f64], right: &[f64]) -> (f64, f64) {
        let (mut sum, mut size) = (0.0, 0.0);
        for (i, l) in left.iter().enumerate() {
            for (j, r) in right.iter().enumerate() {
                let term = l * r * self.product(i, j);
                sum += term;
                size += term.abs();
            }
        }
        (sum, size)
    }

    pub(crate) fn with(&self, other: &Self) -> Result<Self, Reason> {
        if self.n == 0 || other.n == 0 {
            return Ok(if self.n == 0 { other.clone() } else { self.clone() });
        }
        if self.columns() != other.columns() {
            return Err(Reason::ColumnsDiffer);
        }
        let n = self.n + other.n;
        let share = other.n as f64 / n as f64;
        let weight = self.n as f64 * share;
        let delta: Vec<f64> = self.means.iter().zip(&other.means).map(|(own, other)| other - own).collect();
        let means = self.means.iter().zip(&delta).map(|(mean, delta)| mean + delta * share).collect();
        let mut products = Vec::with_capacity(self.products.len());
        for i in 0..self.columns() {
            products.extend((0..=i).map(|j| self.product(i, j) + other.product(i, j) + delta[i] * delta[j] * weight));
        }
        Ok(Self { n, means, products })
    }

    fn add(&mut self, row: &[f64]) -> Result<(), Reason> {
        if row.len() != self.columns() {
            return Err(Reason::ColumnsDiffer);
        }
        self.n += 1;
        let n = self.n as f64;
        let weight = (n - 1.0) / n;
        let mut place = 0;
        for i in 0..row.len() {
            let delta = (row[i] - self.means[i]) * weight;
            for (value, mean) in row[..=i].iter().zip(&self.means) {
                self.products[place] += delta * (value - mean);
                place += 1;
            }
        }
        for (mean, value) in self.means.iter_mut().zip(row) {
            *mean += (value - *mean) / n;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CoMoments, Generator};

    fn rows(count: usize) -> Vec<[f64; 3]> {
        let mut generator = Generator::seeded(5);
        (0..count)
            .map(|_| {
                let shared = generator.normal();
                [shared + generator.uniform(), 3.0 * shared + 40.0, generator.normal() - 1000.0]
            })
            .collect()
    }

    fn moments(rows: &[[f64; 3]]) -> CoMomentMatrix {
        CoMomentMatrix::from_rows(rows.iter().map(|row| &row[..])).value().unwrap_or_else(|| panic!("undefined"))
    }

    #[test]
    fn two_columns_are_co_moments() {
        let rows = rows(200);
        for (i, j) in [(0, 1), (1, 2), (2, 0)] {
            let pairs = CoMoments::from_pairs(rows.iter().map(|row| (row[i], row[j])));
            let whole = moments(&rows);
            assert!((whole.product(i, j) - pairs.c_xy).abs() < 1e-9 && (whole.product(i, i) - pairs.m2_x).abs() < 1e-9);
            assert!((whole.means[i] - pairs.mean_x).abs() < 1e-12);
        }
    }

    #[test]
    fn merging_any_parts_gives_the_whole() {
        let rows = rows(200);
        let whole = moments(&rows);
        for cut in [0, 1, 77, 199, 200] {
            let merged = moments(&rows[..cut]).merge(&moments(&rows[cut..])).value().unwrap_or_default();
            assert_eq!(merged.n, 200);
            let pairs = merged.products.iter().chain(&merged.means).zip(whole.products.iter().chain(&whole.means));
            assert!(pairs.clone().all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(100.0)), "{merged:?} {whole:?}");
        }
    }

    #[test]
    fn columns_have_to_fit() {
        let mut moments = CoMomentMatrix::new(2);
        assert_eq!(moments.push(&[1.0]).reason(), Some(Reason::ColumnsDiffer));
        assert_eq!(moments.push(&[1.0, 2.0]).value(), Some(()));
        let other = CoMomentMatrix::from_rows([&[1.0][..]]).value().unwrap_or_default();
        assert_eq!(moments.merge(&other).reason(), Some(Reason::ColumnsDiffer));
        assert_eq!(moments.merge(&CoMomentMatrix::new(9)).value(), Some(moments));
    }
}
