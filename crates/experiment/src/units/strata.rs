//! Strata: one label for each unit, of its segments at first exposure.

use std::collections::HashMap;

use tranche_segment::Pattern;

use super::cells::Membership;
use crate::definition::Experiment;

/// The stratum of each unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Strata {
    /// A number for each unit, from 0.
    of: Vec<u32>,
    /// How many numbers there are.
    count: usize,
}

impl Strata {
    /// The strata that an experiment declares; `segments` hold those that they name.
    pub(super) fn declared(experiment: &Experiment, segments: &Membership, units: usize) -> Option<Self> {
        let patterns: Vec<&str> =
            experiment.statistics.strata.iter().map(|pattern| pattern.value.as_str()).collect();
        (!patterns.is_empty()).then(|| Self::of(&patterns, segments, units))
    }

    /// The strata of `units` units: a unit's label in each set or segment that `patterns` name, all of them
    /// together. Whoever is in none of a set's segments is alike in it.
    pub(crate) fn of(patterns: &[&str], segments: &Membership, units: usize) -> Self {
        let mut of = vec![0u32; units];
        for pattern in patterns {
            let mut labels = vec![0u32; units];
            let own = segments.iter().filter(|(name, _)| Pattern::parse(pattern).covers(name));
            for (label, (_, members)) in (1u32..).zip(own) {
                members.iter().for_each(|&unit| labels[unit] = label);
            }
            let mut numbers: HashMap<(u32, u32), u32> = HashMap::new();
            for (stratum, label) in of.iter_mut().zip(labels) {
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                *stratum = *numbers.entry((*stratum, label)).or_insert(next);
            }
        }
        let count = of.iter().max().map_or(0, |most| *most as usize + 1);
        Self { of, count }
    }

    /// The units of each stratum, in the order given; strata without any left out.
    pub(crate) fn split(&self, control: &[usize], treatment: &[usize]) -> Vec<[Vec<usize>; 2]> {
        let mut split = vec![[Vec::new(), Vec::new()]; self.count];
        for (arm, units) in [control, treatment].into_iter().enumerate() {
            units.iter().for_each(|&unit| split[self.of[unit] as usize][arm].push(unit));
        }
        split.retain(|[control, treatment]| !(control.is_empty() && treatment.is_empty()));
        split
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;

    #[test]
    fn labels_of_several_sets_are_crossed() {
        let segments = IndexMap::from([
            ("all".to_owned(), (0..6).collect()),
            ("country/DE".to_owned(), vec![0, 1, 2]),
            ("country/AT".to_owned(), vec![3, 4]),
            ("vip".to_owned(), vec![2, 4, 5]),
        ]);
        let strata = |patterns: &[&str]| Strata::of(patterns, &segments, 6);
        // Unit 5 has no country.
        assert_eq!(strata(&["country/*"]).of, [0, 0, 0, 1, 1, 2]);
        assert_eq!(strata(&["country/*", "vip"]).of, [0, 0, 1, 2, 3, 4]);
        let split = strata(&["vip"]).split(&[0, 2, 4], &[1, 3, 5]);
        assert_eq!(split, [[vec![0], vec![1, 3]], [vec![2, 4], vec![5]]]);
        assert_eq!(strata(&["vip"]).split(&[0], &[1]), [[vec![0], vec![1]]]);
    }
}
