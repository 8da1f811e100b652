//! The units of an experiment, each with its first exposure.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::filter;
use jiff::Timestamp;
use tranche_sql::SqlError;

use super::clusters::Clusters;
use crate::definition::VariantIndex;
use crate::error::ExperimentError;

/// The units of an experiment.
#[derive(Debug)]
pub(crate) struct Exposed {
    /// Their keys, each once.
    pub(crate) keys: ArrayRef,
    /// The variant of each unit, as its place among the experiment's variants.
    pub(crate) variants: Vec<VariantIndex>,
    /// The first exposure of each unit.
    pub(crate) at: Vec<Timestamp>,
    /// The cluster of each unit, where clusters were randomised.
    pub(crate) clusters: Option<Clusters>,
    /// Units that are left out because they saw several variants.
    pub(crate) several_variants: u64,
    /// What is left out because of its cluster.
    pub(crate) cluster_losses: ClusterLosses,
    /// Units that are left out because the entity table lacks them.
    pub(crate) unmatched: u64,
    /// Exposures with a variant that the experiment does not have, by variant.
    pub(crate) unknown_variants: BTreeMap<String, u64>,
    /// Rows that were read.
    pub(crate) rows_read: u64,
}

impl Exposed {
    /// The units exposed before `until`; the counts of units that are left out stay as they are.
    pub(crate) fn before(self: &Arc<Self>, until: Timestamp) -> Result<Arc<Self>, ExperimentError> {
        let is_before: Vec<bool> = self.at.iter().map(|at| *at < until).collect();
        if is_before.iter().all(|is_before| *is_before) {
            return Ok(Arc::clone(self));
        }
        fn kept<T: Copy>(values: &[T], is_before: &[bool]) -> Vec<T> {
            values
                .iter()
                .zip(is_before)
                .filter(|(_, is_before)| **is_before)
                .map(|(value, _)| *value)
                .collect()
        }
        Ok(Arc::new(Self {
            keys: filter(&self.keys, &BooleanArray::from(is_before.clone())).map_err(SqlError::from)?,
            variants: kept(&self.variants, &is_before),
            at: kept(&self.at, &is_before),
            clusters: self.clusters.as_ref().map(|clusters| clusters.kept(&is_before)),
            several_variants: self.several_variants,
            cluster_losses: self.cluster_losses,
            unmatched: self.unmatched,
            unknown_variants: self.unknown_variants.clone(),
            rows_read: self.rows_read,
        }))
    }
}

/// What is left out because of its cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClusterLosses {
    /// Clusters whose units saw several variants.
    pub(crate) mixed: u64,
    /// The units of those that saw one variant only.
    pub(crate) mixed_units: u64,
    /// Units whose cluster is not known.
    pub(crate) without: u64,
}
