//! The first exposure of a unit, and what is left out because of its cluster.

use std::collections::HashMap;

/// One exposure: of a unit by its number, to a variant by its place.
pub(super) struct Exposure {
    pub(super) number: u32,
    pub(super) variant: u16,
    pub(super) at: i64,
    pub(super) cluster: Option<u32>,
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

/// The first exposure of a unit, with its cluster then, and whether another variant was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct First {
    pub(super) at: i64,
    pub(super) variant: u16,
    pub(super) cluster: Option<u32>,
}

impl First {
    /// Who was not exposed.
    pub(super) const NEVER: Self = Self { at: i64::MAX, variant: 0, cluster: None };
    const SEVERAL: u16 = u16::MAX;

    pub(super) fn see(&mut self, exposure: &Exposure) {
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

    pub(super) fn is_several(&self) -> bool {
        self.at != i64::MAX && self.variant == Self::SEVERAL
    }

    pub(super) fn is_unit(&self) -> bool {
        self.at != i64::MAX && self.variant != Self::SEVERAL
    }
}

/// Which units are lost: those without a cluster, and those of clusters that saw several variants, be it by one of their units alone. The
/// first `known` are counted.
pub(super) fn lost_clusters(firsts: &[First], known: usize) -> (Vec<bool>, ClusterLosses) {
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
