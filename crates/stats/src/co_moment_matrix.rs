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

    /// The moments of the rows of each of `groups` groups, from pairs of group and place in the columns; two passes over them.
    ///
    /// The means first, as distances from each group's first row so that values that are all alike have no spread at all; then what
    /// rows deviate from them, corrected by what rounding left in the means. Source: Chan, Golub and LeVeque, Algorithms for computing
    /// the sample variance (1983), the corrected two-pass algorithm.
    pub fn of_groups(
        groups: usize,
        rows: impl Iterator<Item = (usize, usize)> + Clone,
        columns: &[&[f64]],
    ) -> Vec<Self> {
        // With as many columns as the compiler knows of, its loops over them are none.
        match *columns {
            [a] => in_groups(groups, rows, [a]),
            [a, b] => in_groups(groups, rows, [a, b]),
            [a, b, c] => in_groups(groups, rows, [a, b, c]),
            [a, b, c, d] => in_groups(groups, rows, [a, b, c, d]),
            _ => in_groups(groups, rows, columns),
        }
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
            products.extend(
                (0..=i).map(|j| self.product(i, j) + other.product(i, j) + delta[i] * delta[j] * weight),
            );
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

/// [`CoMomentMatrix::of_groups`]; what belongs to a group stands together, group by group.
#[inline]
fn in_groups<'c>(
    groups: usize,
    rows: impl Iterator<Item = (usize, usize)> + Clone,
    columns: impl AsRef<[&'c [f64]]>,
) -> Vec<CoMomentMatrix> {
    let columns = columns.as_ref();
    let width = columns.len();
    let triangle = width * (width + 1) / 2;
    let mut counts = vec![0_u64; groups];
    let mut means = vec![0.0; groups * width];
    let mut rests = vec![0.0; groups * width];
    for (group, place) in rows.clone() {
        let own = group * width..(group + 1) * width;
        let (means, rests) = (&mut means[own.clone()], &mut rests[own]);
        for ((column, mean), rest) in columns.iter().zip(&mut *means).zip(rests) {
            if counts[group] == 0 {
                *mean = column[place];
            }
            *rest += column[place] - *mean;
        }
        counts[group] += 1;
    }
    let mean_rests = |rests: &mut [f64]| {
        let of_group = rests.chunks_exact_mut(width.max(1)).zip(&counts).filter(|(_, n)| **n > 0);
        of_group.for_each(|(rests, n)| rests.iter_mut().for_each(|rest| *rest /= *n as f64));
    };
    mean_rests(&mut rests);
    means.iter_mut().zip(&mut rests).for_each(|(mean, rest)| *mean += std::mem::take(rest));
    let mut products = vec![0.0; groups * triangle];
    for (group, place) in rows {
        let own = group * width..(group + 1) * width;
        let (means, rests) = (&means[own.clone()], &mut rests[own]);
        let mut sums = products[group * triangle..(group + 1) * triangle].iter_mut();
        for (i, rest) in rests.iter_mut().enumerate() {
            let delta = columns[i][place] - means[i];
            *rest += delta;
            for ((column, mean), sum) in columns.iter().zip(means).zip(sums.by_ref().take(i + 1)) {
                *sum += delta * (column[place] - mean);
            }
        }
    }
    mean_rests(&mut rests);
    let of_group = |(group, n): (usize, u64)| {
        let own = group * width..(group + 1) * width;
        let (means, rests) = (&means[own.clone()], &rests[own]);
        let means = means.iter().zip(rests).map(|(mean, rest)| mean + rest).collect();
        let mut products = products[group * triangle..(group + 1) * triangle].to_vec();
        let mut sums = products.iter_mut();
        for i in 0..width {
            for (j, sum) in sums.by_ref().take(i + 1).enumerate() {
                *sum -= rests[i] * rests[j] * n as f64;
                // A variance is never below zero.
                *sum = if i == j { sum.max(0.0) } else { *sum };
            }
        }
        CoMomentMatrix { n, means, products }
    };
    counts.iter().copied().enumerate().map(of_group).collect()
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
        CoMomentMatrix::from_rows(rows.iter().map(|row| &row[..]))
            .value()
            .unwrap_or_else(|| panic!("undefined"))
    }

    #[test]
    fn two_columns_are_co_moments() {
        let rows = rows(200);
        for (i, j) in [(0, 1), (1, 2), (2, 0)] {
            let pairs = CoMoments::from_pairs(rows.iter().map(|row| (row[i], row[j])));
            let whole = moments(&rows);
            assert!(
                (whole.product(i, j) - pairs.c_xy).abs() < 1e-9
                    && (whole.product(i, i) - pairs.m2_x).abs() < 1e-9
            );
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
            let pairs =
                merged.products.iter().chain(&merged.means).zip(whole.products.iter().chain(&whole.means));
            assert!(
                pairs.clone().all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(100.0)),
                "{merged:?} {whole:?}"
            );
        }
    }

    #[test]
    fn the_moments_of_groups_are_those_of_each_alone() {
        let far: Vec<[f64; 3]> = rows(200).into_iter().map(|[a, b, c]| [a + 1e7, b, c - 3e6]).collect();
        let columns: Vec<Vec<f64>> = (0..6)
            .map(|column| far.iter().map(|row| row[column % 3] * f64::from(1 + column as u8)).collect())
            .collect();
        for width in [0, 1, 2, 3, 4, 6] {
            let columns: Vec<&[f64]> = columns[..width].iter().map(Vec::as_slice).collect();
            // The last row is in no group.
            let found = CoMomentMatrix::of_groups(4, (0..199).map(|place| (place % 3, place)), &columns);
            for (group, moments) in found.iter().enumerate().take(3) {
                let own: Vec<Vec<f64>> = (group..199)
                    .step_by(3)
                    .map(|place| columns.iter().map(|column| column[place]).collect())
                    .collect();
                let alone =
                    CoMomentMatrix::from_rows(own.iter().map(Vec::as_slice)).value().unwrap_or_default();
                assert_eq!((moments.n, moments.columns()), (alone.n, width));
                let pairs = moments
                    .products
                    .iter()
                    .chain(&moments.means)
                    .zip(alone.products.iter().chain(&alone.means));
                assert!(
                    pairs.clone().all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs().max(1.0)),
                    "{moments:?} {alone:?}"
                );
            }
            assert_eq!(found[3], CoMomentMatrix::new(width));
        }
    }

    #[test]
    fn values_that_are_all_alike_have_no_spread() {
        let (values, others) = (vec![0.1; 9973], vec![7.3; 9973]);
        let found =
            CoMomentMatrix::of_groups(3, (0..9973).map(|place| (place % 3, place)), &[&values, &others]);
        for moments in found {
            assert_eq!((moments.means, moments.products), (vec![0.1, 7.3], vec![0.0; 3]));
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
