//! The clusters that units were randomised in, where that is coarser than the unit.

use datafusion::prelude::ident;
use indexmap::IndexSet;
use tranche_sql::keys::KeyIndex;
use tranche_sql::{SqlError, column_text};

use crate::context::MeasureContext;
use crate::definition::Experiment;
use crate::error::ExperimentError;

/// The cluster of each unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clusters {
    /// A number for each unit, from 0.
    of: Vec<u32>,
    /// How many numbers there are.
    count: usize,
}

/// Numbers for the names of clusters.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClusterNames(IndexSet<String>);

impl ClusterNames {
    /// The number of a cluster, the next one for a new name.
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        let known = self.0.get_index_of(name);
        let number = known.unwrap_or_else(|| self.0.insert_full(name.to_owned()).0);
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// The name of a cluster by its number.
    pub(crate) fn name(&self, number: u32) -> Option<&str> {
        self.0.get_index(number as usize).map(String::as_str)
    }

    /// Adds other names; the number here of each of their numbers.
    pub(crate) fn extend(&mut self, other: &Self) -> Vec<u32> {
        other.0.iter().map(|name| self.number(name)).collect()
    }
}

impl Clusters {
    pub(crate) fn new(of: Vec<u32>) -> Self {
        let count = of.iter().max().map_or(0, |most| *most as usize + 1);
        Self { of, count }
    }

    /// Those of the units that are kept.
    pub(crate) fn kept(&self, is_kept: &[bool]) -> Self {
        let of = self
            .of
            .iter()
            .zip(is_kept)
            .filter(|(_, is_kept)| **is_kept)
            .map(|(cluster, _)| *cluster)
            .collect();
        Self { of, count: self.count }
    }

    /// How many clusters some units are of.
    pub(crate) fn distinct(&self, units: impl IntoIterator<Item = usize>) -> u64 {
        let mut is_seen = vec![false; self.count];
        units
            .into_iter()
            .filter(|&unit| !std::mem::replace(&mut is_seen[self.of[unit] as usize], true))
            .count() as u64
    }

    /// The place of each unit's cluster among theirs, in the order in which they appear, and how many there
    /// are.
    pub(crate) fn places(&self, units: &[usize]) -> (Vec<usize>, usize) {
        let mut place_of = vec![usize::MAX; self.count];
        let mut count = 0;
        let of = |&unit: &usize| {
            let place = &mut place_of[self.of[unit] as usize];
            if *place == usize::MAX {
                *place = count;
                count += 1;
            }
            *place
        };
        (units.iter().map(of).collect(), count)
    }
}

/// The cluster of each entity by its number in `universe`, as the entity's table says at the session's
/// `as_of`.
pub(crate) async fn of_entities(
    experiment: &Experiment,
    column: &str,
    context: &MeasureContext<'_>,
    universe: &KeyIndex,
) -> Result<Vec<Option<u32>>, ExperimentError> {
    let failed = |reason: &str| ExperimentError::Exposure {
        experiment: experiment.name.clone(),
        reason: reason.to_owned(),
    };
    let (definitions, session) = (context.definitions, context.session);
    let contract =
        definitions.entity_contract(&experiment.entity).ok_or_else(|| failed("its entity has no table"))?;
    let key = definitions.key(&experiment.entity).ok_or_else(|| failed("its entity has no key"))?;
    let frame = session
        .table(&contract.table)
        .await?
        .select(vec![ident(key), ident(column)])
        .map_err(SqlError::engine)?;
    let mut names = ClusterNames::default();
    let mut clusters = vec![None; universe.len() as usize];
    for batch in session.collect_frame(frame).await?.batches {
        let numbers = universe.numbers(batch.column(0))?;
        let found = column_text(std::slice::from_ref(&batch), 1)?;
        for (number, name) in numbers.into_iter().zip(found) {
            // A key that is null or of nobody has a number beyond all.
            if let (Some(place), Some(name)) = (clusters.get_mut(number as usize), name) {
                *place = Some(names.number(&name));
            }
        }
    }
    Ok(clusters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_counted_once_and_placed_as_they_appear() {
        let clusters = Clusters::new(vec![2, 0, 2, 1, 0]);
        assert_eq!(clusters.distinct([0, 2]), 1);
        assert_eq!(clusters.distinct(0..5), 3);
        assert_eq!(clusters.places(&[4, 0, 1, 2]), (vec![0, 1, 0, 1], 2));
        let kept = clusters.kept(&[true, false, true, true, false]);
        assert_eq!((kept.distinct(0..3), kept.places(&[2, 0])), (2, (vec![0, 1], 2)));
    }

    #[test]
    fn a_name_keeps_its_number() {
        let mut names = ClusterNames::default();
        let numbers = ["h1", "h2", "h1", "h3"].map(|name| names.number(name));
        assert_eq!(numbers, [0, 1, 0, 2]);
        let mut others = ClusterNames::default();
        ["h3", "h4"].iter().for_each(|name| _ = others.number(name));
        assert_eq!(names.extend(&others), [2, 3]);
        assert_eq!((names.name(3), names.name(4)), (Some("h4"), None));
    }
}
