//! The rows that variants are drawn for: units, or the clusters that these were randomised in, in the order
//! of their exposure.

use crate::units::clusters::Clusters;

/// Which units each row is made of.
#[derive(Debug)]
pub(super) struct Rows {
    /// The units in the order of their exposure, each with its row.
    units: Vec<(usize, usize)>,
    /// How many rows there are.
    count: usize,
    are_clusters: bool,
}

impl Rows {
    /// The rows of units in this order.
    pub(super) fn of(order: Vec<usize>, clusters: Option<&Clusters>) -> Self {
        let (rows, count) = match clusters {
            Some(clusters) => clusters.places(&order),
            None => ((0..order.len()).collect(), order.len()),
        };
        Self { units: rows.into_iter().zip(order).collect(), count, are_clusters: clusters.is_some() }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn are_clusters(&self) -> bool {
        self.are_clusters
    }

    /// The row of each unit, with the unit, in the order of exposure.
    pub(super) fn of_units(&self) -> impl Iterator<Item = (usize, usize)> {
        self.units.iter().copied()
    }

    /// The sum over the units of each row.
    pub(super) fn sums(&self, of: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        self.units.iter().for_each(|&(row, unit)| sums[row] += of(unit));
        sums
    }
}
