//! From exposures in any order to units: the first exposure of each, and who is left out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::ArrayRef;
use jiff::Timestamp;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_sql::scan::Partial;

use super::clusters::{ClusterNames, Clusters};
use super::exposed::{ClusterLosses, Exposed};
use crate::definition::VariantIndex;
use crate::error::ExperimentError;

/// The first exposures among those in some of a table's sources, by experiment.
#[derive(Debug, Clone)]
pub(super) struct PartialExposures(pub(super) Vec<FirstExposures>);

/// The first exposure of each unit of an experiment, as far as it was seen.
#[derive(Debug, Clone)]
pub(super) struct FirstExposures {
    /// How many keys the universe has.
    known: u32,
    /// By the number of the unit, rising.
    firsts: Vec<FirstExposure>,
    names: Names,
    /// Exposures with a variant that the experiment does not have, by variant.
    unknown_variants: BTreeMap<String, u64>,
}

/// What the numbers of exposures stand for.
#[derive(Debug, Clone)]
struct Names {
    clusters: ClusterNames,
    /// Keys that the universe lacks; their numbers follow its own.
    strangers: KeyIndex,
}

/// The first exposure of a unit, with its cluster then; a single exposure, or all that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FirstExposure {
    /// The unit.
    pub(super) number: u32,
    /// The place of the variant, or [`FirstExposure::SEVERAL`].
    pub(super) variant: u16,
    /// Microseconds.
    pub(super) at: i64,
    pub(super) cluster: Option<u32>,
}

impl FirstExposure {
    /// Stands for several variants.
    const SEVERAL: u16 = u16::MAX;

    /// Adds another exposure of the unit, in whatever order they come.
    fn add(&mut self, other: &Self, clusters: &ClusterNames) {
        if self.variant != other.variant {
            self.variant = Self::SEVERAL;
        }
        if other.is_before(self, clusters) {
            (self.at, self.cluster) = (other.at, other.cluster);
        }
    }

    /// Whether it comes before another. Of one instant, those with a cluster come first, by its name.
    fn is_before(&self, other: &Self, clusters: &ClusterNames) -> bool {
        let rank =
            |exposure: &Self| (exposure.cluster.is_none(), exposure.cluster.map(|it| clusters.name(it)));
        self.at < other.at || (self.at == other.at && rank(self) < rank(other))
    }

    /// Whether it makes a unit: one variant was seen.
    fn is_unit(&self) -> bool {
        self.variant != Self::SEVERAL
    }
}

/// The exposures of an experiment that were seen, in no order.
pub(super) struct SeenExposures {
    known: u32,
    exposures: Vec<FirstExposure>,
    names: Names,
    unknown_variants: BTreeMap<String, u64>,
}

impl SeenExposures {
    /// None yet, of units with keys of this type.
    pub(super) fn none(universe: &KeyIndex) -> Self {
        let strangers = KeyIndex::new(universe.data_type());
        Self {
            known: universe.len(),
            exposures: Vec::new(),
            names: Names { clusters: ClusterNames::default(), strangers },
            unknown_variants: BTreeMap::new(),
        }
    }

    /// Adds an exposure.
    pub(super) fn push(&mut self, exposure: FirstExposure) {
        self.exposures.push(exposure);
    }

    /// Counts an exposure with a variant that the experiment does not have.
    pub(super) fn count_unknown(&mut self, variant: &str) {
        *self.unknown_variants.entry(variant.to_owned()).or_default() += 1;
    }

    /// The number of a cluster.
    pub(super) fn cluster(&mut self, name: &str) -> u32 {
        self.names.clusters.number(name)
    }

    /// The number of a key that the universe lacks; none for a null key.
    pub(super) fn stranger(&mut self, key: &ArrayRef) -> Result<Option<u32>, SqlError> {
        Ok(self.names.strangers.insert(key)?.first().copied().flatten())
    }

    /// The first exposure of each unit.
    pub(super) fn into_firsts(self) -> FirstExposures {
        let Self { known, exposures, names, unknown_variants } = self;
        let mut firsts: Vec<Option<FirstExposure>> = vec![None; (known + names.strangers.len()) as usize];
        for exposure in &exposures {
            match &mut firsts[exposure.number as usize] {
                Some(first) => first.add(exposure, &names.clusters),
                unseen => *unseen = Some(*exposure),
            }
        }
        FirstExposures { known, firsts: firsts.into_iter().flatten().collect(), names, unknown_variants }
    }
}

impl Partial for PartialExposures {
    fn merge(&mut self, other: Self) -> Result<(), SqlError> {
        if self.0.len() != other.0.len() {
            return Err(SqlError::Engine("partial results of two scans".to_owned()));
        }
        self.0.iter_mut().zip(other.0).try_for_each(|(own, other)| own.merge(other))
    }
}

impl FirstExposures {
    fn merge(&mut self, other: Self) -> Result<(), SqlError> {
        let Names { clusters, strangers } = &mut self.names;
        let cluster_of = clusters.extend(&other.names.clusters);
        let stranger_of = strangers.insert(&other.names.strangers.column(0..other.names.strangers.len())?)?;
        let known = self.known;
        let renumbered = |exposure: FirstExposure| {
            let stranger = exposure.number.checked_sub(known).and_then(|place| stranger_of[place as usize]);
            FirstExposure {
                number: stranger.map_or(exposure.number, |stranger| known + stranger),
                cluster: exposure.cluster.map(|cluster| cluster_of[cluster as usize]),
                ..exposure
            }
        };
        self.firsts.extend(other.firsts.into_iter().map(renumbered));
        self.firsts.sort_unstable_by_key(|first| first.number);
        self.firsts.dedup_by(|next, first| {
            let is_same = next.number == first.number;
            if is_same {
                first.add(next, clusters);
            }
            is_same
        });
        for (variant, count) in other.unknown_variants {
            *self.unknown_variants.entry(variant).or_default() += count;
        }
        Ok(())
    }

    /// The units, once all exposures were seen: who saw one variant only and is in the universe, and whose
    /// cluster, where there are any, saw no other.
    pub(super) fn into_units(self, origin: UnitOrigin, rows_read: u64) -> Result<Exposed, ExperimentError> {
        let UnitOrigin { universe, entity_clusters, has_clusters } = origin;
        let Self { known, mut firsts, unknown_variants, .. } = self;
        if let Some(clusters) = entity_clusters {
            for first in &mut firsts {
                first.cluster = clusters.get(first.number as usize).copied().flatten();
            }
        }
        let several_variants = firsts.iter().filter(|first| !first.is_unit()).count() as u64;
        let (known, strangers) = firsts.split_at(firsts.partition_point(|first| first.number < known));
        let (is_lost, cluster_losses) = if has_clusters {
            lost_clusters(known, strangers)
        } else {
            (vec![false; known.len()], ClusterLosses::default())
        };
        let units = || known.iter().zip(&is_lost).filter(|(first, is_lost)| first.is_unit() && !**is_lost);
        let at =
            |first: &FirstExposure| Timestamp::from_microsecond(first.at).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Exposed {
            keys: universe.column(units().map(|(first, _)| first.number))?,
            variants: units().map(|(first, _)| VariantIndex(usize::from(first.variant))).collect(),
            at: units().map(|(first, _)| at(first)).collect(),
            clusters: has_clusters
                .then(|| Clusters::new(units().filter_map(|(first, _)| first.cluster).collect())),
            several_variants,
            cluster_losses,
            unmatched: strangers.iter().filter(|first| first.is_unit()).count() as u64,
            unknown_variants,
            rows_read,
        })
    }
}

/// Where units come from.
#[derive(Debug, Clone)]
pub(super) struct UnitOrigin {
    /// The keys of all entities.
    pub(super) universe: Arc<KeyIndex>,
    /// The cluster of each entity by its number, where it is the entity's.
    pub(super) entity_clusters: Option<Vec<Option<u32>>>,
    /// Whether clusters were randomised.
    pub(super) has_clusters: bool,
}

/// Which of the known units are lost: those without a cluster, and those of clusters that saw several variants,
/// be it by one unit alone, or by a stranger. Known units are counted.
fn lost_clusters(known: &[FirstExposure], strangers: &[FirstExposure]) -> (Vec<bool>, ClusterLosses) {
    let mut variant_of: HashMap<u32, u16> = HashMap::new();
    for first in known.iter().chain(strangers) {
        if let Some(cluster) = first.cluster {
            let variant = variant_of.entry(cluster).or_insert(first.variant);
            if *variant != first.variant {
                *variant = FirstExposure::SEVERAL;
            }
        }
    }
    let is_mixed = |cluster: u32| variant_of.get(&cluster) == Some(&FirstExposure::SEVERAL);
    let is_lost = known.iter().map(|first| first.cluster.is_none_or(is_mixed)).collect();
    let units = || known.iter().filter(|first| first.is_unit());
    let losses = ClusterLosses {
        mixed: variant_of.values().filter(|variant| **variant == FirstExposure::SEVERAL).count() as u64,
        mixed_units: units().filter(|first| first.cluster.is_some_and(is_mixed)).count() as u64,
        without: units().filter(|first| first.cluster.is_none()).count() as u64,
    };
    (is_lost, losses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposure(number: u32, variant: u16, at: i64, cluster: Option<u32>) -> FirstExposure {
        FirstExposure { number, variant, at, cluster }
    }

    #[test]
    fn clusters_with_several_variants_are_left_out_whole() {
        let first = |variant, cluster| exposure(0, variant, 0, cluster);
        let known = [
            first(0, Some(7)),
            first(0, Some(7)),
            first(0, Some(8)),
            first(1, Some(8)),
            first(FirstExposure::SEVERAL, Some(9)),
            first(1, Some(9)),
            first(1, None),
        ];
        // Whom the entity table lacks: its cluster is mixed by it all the same.
        let (is_lost, losses) = lost_clusters(&known, &[first(1, Some(7))]);
        assert_eq!(losses, ClusterLosses { mixed: 3, mixed_units: 5, without: 1 });
        assert!(is_lost.iter().all(|is_lost| *is_lost));
        let (is_lost, losses) = lost_clusters(&known, &[]);
        assert_eq!(losses, ClusterLosses { mixed: 2, mixed_units: 3, without: 1 });
        assert_eq!(is_lost, [false, false, true, true, true, true, true]);
    }

    #[test]
    fn a_unit_has_the_cluster_of_its_first_exposure() {
        let mut clusters = ClusterNames::default();
        let [late, early] = ["h9", "h1"].map(|name| Some(clusters.number(name)));
        let exposures = [
            exposure(0, 1, 5, early),
            exposure(0, 1, 3, None),
            exposure(0, 1, 3, late),
            exposure(0, 1, 9, early),
        ];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            let mut first = exposures[order[0]];
            order[1..].iter().for_each(|&place| first.add(&exposures[place], &clusters));
            assert_eq!(first, exposure(0, 1, 3, late), "{order:?}");
            first.add(&exposure(0, 1, 3, early), &clusters);
            assert!(first.cluster == early && first.is_unit());
            first.add(&exposure(0, 0, 9, None), &clusters);
            assert!(first.at == 3 && !first.is_unit());
        }
    }
}
