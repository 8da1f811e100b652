//! From exposures in any order to units: the first exposure of each, and who is left out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::ArrayRef;
use jiff::Timestamp;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;

use super::clusters::{ClusterNames, Clusters};
use super::exposed::{ClusterLosses, Exposed};
use crate::definition::VariantIndex;
use crate::error::ExperimentError;

/// Where units come from.
pub(super) struct UnitOrigin {
    /// The keys of all entities.
    pub(super) universe: Arc<KeyIndex>,
    /// The cluster of each entity by its number, where it is the entity's.
    pub(super) entity_clusters: Option<Vec<Option<u32>>>,
    /// Whether clusters were randomised.
    pub(super) has_clusters: bool,
}

/// The exposures that were seen, in no order.
pub(super) struct SeenExposures {
    exposures: Vec<Exposure>,
    /// The names of the exposures' clusters.
    clusters: ClusterNames,
    /// Keys that the universe lacks; their numbers follow its own.
    strangers: KeyIndex,
    unknown_variants: BTreeMap<String, u64>,
}

impl SeenExposures {
    /// None yet, of units with keys of this type.
    pub(super) fn none(universe: &KeyIndex) -> Self {
        Self {
            exposures: Vec::new(),
            clusters: ClusterNames::default(),
            strangers: KeyIndex::new(universe.data_type()),
            unknown_variants: BTreeMap::new(),
        }
    }

    /// Adds an exposure.
    pub(super) fn push(&mut self, exposure: Exposure) {
        self.exposures.push(exposure);
    }

    /// Counts an exposure with a variant that the experiment does not have.
    pub(super) fn count_unknown(&mut self, variant: &str) {
        *self.unknown_variants.entry(variant.to_owned()).or_default() += 1;
    }

    /// The number of a cluster.
    pub(super) fn cluster(&mut self, name: &str) -> u32 {
        self.clusters.number(name)
    }

    /// The number of a key that the universe lacks; none for a null key.
    pub(super) fn stranger(&mut self, key: &ArrayRef) -> Result<Option<u32>, SqlError> {
        Ok(self.strangers.insert(key)?.first().copied().flatten())
    }

    /// The units: who saw one variant only and is in the universe, and whose cluster, where there are any,
    /// saw no other.
    pub(super) fn units(self, origin: UnitOrigin, rows_read: u64) -> Result<Exposed, ExperimentError> {
        let UnitOrigin { universe, entity_clusters, has_clusters } = origin;
        let size = universe.len() as usize;
        let mut firsts = vec![First::NEVER; size + self.strangers.len() as usize];
        for exposure in self.exposures {
            firsts[exposure.number as usize].see(&exposure);
        }
        for (first, cluster) in firsts.iter_mut().zip(entity_clusters.into_iter().flatten()) {
            first.cluster = cluster;
        }
        let several_variants = firsts.iter().filter(|first| first.is_several()).count() as u64;
        let (is_lost, cluster_losses) = if has_clusters {
            lost_clusters(&firsts, size)
        } else {
            (vec![false; firsts.len()], ClusterLosses::default())
        };
        let (known, strangers) = firsts.split_at(size);
        let units = || {
            (0u32..).zip(known).zip(&is_lost).filter(|((_, first), is_lost)| first.is_unit() && !**is_lost)
        };
        Ok(Exposed {
            keys: universe.column(units().map(|((number, _), _)| number))?,
            variants: units().map(|((_, first), _)| VariantIndex(usize::from(first.variant))).collect(),
            at: units()
                .map(|((_, first), _)| Timestamp::from_microsecond(first.at).unwrap_or(Timestamp::UNIX_EPOCH))
                .collect(),
            clusters: has_clusters
                .then(|| Clusters::new(units().filter_map(|((_, first), _)| first.cluster).collect())),
            several_variants,
            cluster_losses,
            unmatched: strangers.iter().filter(|first| first.is_unit()).count() as u64,
            unknown_variants: self.unknown_variants,
            rows_read,
        })
    }
}

/// One exposure: of a unit by its number, to a variant by its place.
pub(super) struct Exposure {
    pub(super) number: u32,
    pub(super) variant: u16,
    pub(super) at: i64,
    pub(super) cluster: Option<u32>,
}

/// The first exposure of a unit, with its cluster then, and whether another variant was seen.
#[derive(Debug, Clone, Copy)]
struct First {
    at: i64,
    variant: u16,
    cluster: Option<u32>,
}

impl First {
    /// A unit without an exposure.
    const NEVER: Self = Self { at: i64::MAX, variant: 0, cluster: None };
    const SEVERAL: u16 = u16::MAX;

    fn see(&mut self, exposure: &Exposure) {
        let is_first = self.at == i64::MAX;
        if !is_first && self.variant != exposure.variant {
            self.variant = Self::SEVERAL;
        } else if is_first {
            self.variant = exposure.variant;
        }
        if exposure.at < self.at {
            (self.at, self.cluster) = (exposure.at, exposure.cluster);
        }
    }

    fn is_several(&self) -> bool {
        self.at != i64::MAX && self.variant == Self::SEVERAL
    }

    fn is_unit(&self) -> bool {
        self.at != i64::MAX && self.variant != Self::SEVERAL
    }
}

/// Which units are lost: those without a cluster, and those of clusters that saw several variants, be it by
/// one of their units alone. The first `known` are counted.
fn lost_clusters(firsts: &[First], known: usize) -> (Vec<bool>, ClusterLosses) {
    let mut variant_of: HashMap<u32, u16> = HashMap::new();
    for first in firsts.iter().filter(|first| first.at != i64::MAX) {
        if let Some(cluster) = first.cluster {
            let variant = variant_of.entry(cluster).or_insert(first.variant);
            if *variant != first.variant {
                *variant = First::SEVERAL;
            }
        }
    }
    let is_mixed = |cluster: u32| variant_of.get(&cluster) == Some(&First::SEVERAL);
    let is_lost = firsts.iter().map(|first| first.cluster.is_none_or(is_mixed)).collect();
    let units = || firsts[..known].iter().filter(|first| first.is_unit());
    let losses = ClusterLosses {
        mixed: variant_of.values().filter(|variant| **variant == First::SEVERAL).count() as u64,
        mixed_units: units().filter(|first| first.cluster.is_some_and(is_mixed)).count() as u64,
        without: units().filter(|first| first.cluster.is_none()).count() as u64,
    };
    (is_lost, losses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_with_several_variants_are_left_out_whole() {
        let first = |variant, cluster| First { at: 0, variant, cluster };
        let firsts = [
            first(0, Some(7)),
            first(0, Some(7)),
            first(0, Some(8)),
            first(1, Some(8)),
            first(First::SEVERAL, Some(9)),
            first(1, Some(9)),
            first(1, None),
            First::NEVER,
            // Whom the entity table lacks: its cluster is mixed by it all the same.
            first(1, Some(7)),
        ];
        let (is_lost, losses) = lost_clusters(&firsts, 8);
        assert_eq!(losses, ClusterLosses { mixed: 3, mixed_units: 5, without: 1 });
        assert!(is_lost.iter().all(|is_lost| *is_lost));
        let (is_lost, losses) = lost_clusters(&firsts[..8], 8);
        assert_eq!(losses, ClusterLosses { mixed: 2, mixed_units: 3, without: 1 });
        assert_eq!(is_lost, [false, false, true, true, true, true, true, true]);
    }

    #[test]
    fn a_unit_has_the_cluster_of_its_first_exposure() {
        let mut first = First::NEVER;
        for (at, variant, cluster) in [(5, 1, Some(2)), (3, 1, Some(4)), (9, 1, None)] {
            first.see(&Exposure { number: 0, variant, at, cluster });
        }
        assert!((first.at, first.cluster, first.is_unit()) == (3, Some(4), true));
        first.see(&Exposure { number: 0, variant: 0, at: 9, cluster: None });
        assert!(first.is_several() && !first.is_unit());
    }
}
