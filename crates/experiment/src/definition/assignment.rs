//! Which variant a unit is assigned to, where assignments are made as GrowthBook makes them: version 2 of its
//! hash.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;
use tranche_project::{Problems, SourceFile};
use tranche_stats::assignment::{Bucket, Namespace, bucket_ranges, hash_v2, variation};

use super::spec::AssignmentSpec;

/// How units are assigned to variants.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The text that is hashed with the unit's id.
    pub seed: String,
    /// The share of each variant's units that takes part, in [0, 1].
    pub coverage: f64,
    /// The part of all units that takes part; all when `None`.
    pub namespace: Option<Namespace>,
}

/// Where a unit is assigned to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Assigned {
    /// The experiment.
    pub experiment: String,
    /// The unit.
    pub id: String,
    /// The hash of seed and id, in [0, 1).
    pub hash: f64,
    /// Whether the unit is in the experiment's namespace.
    pub in_namespace: bool,
    /// The variant; none for a unit that does not take part.
    pub variant: Option<String>,
}

impl Assignment {
    /// The seed is the experiment's name, everyone takes part.
    fn of_everyone(experiment: &str) -> Self {
        Self { seed: experiment.to_owned(), coverage: 1.0, namespace: None }
    }

    /// The variant of the unit with this id; `variants` have their planned shares.
    pub(super) fn assign(&self, experiment: &str, variants: &IndexMap<String, f64>, id: &str) -> Assigned {
        let weights: Vec<f64> = variants.values().copied().collect();
        let ranges = bucket_ranges(weights.len(), self.coverage, &weights);
        let hash = hash_v2(&self.seed, id);
        let in_namespace = self.namespace.as_ref().is_none_or(|namespace| namespace.contains(id));
        let place = variation(hash, &ranges).filter(|_| in_namespace);
        let variant = place.and_then(|place| variants.get_index(place)).map(|(variant, _)| variant.clone());
        Assigned { experiment: experiment.to_owned(), id: id.to_owned(), hash, in_namespace, variant }
    }
}

/// Validates `assignment:`; every problem is reported.
pub(super) fn validate(
    spec: Option<&AssignmentSpec>,
    name: &str,
    file: &SourceFile,
    problems: &mut Problems,
) -> Assignment {
    let mut assignment = Assignment::of_everyone(name);
    let Some(spec) = spec else { return assignment };
    if let Some(seed) = &spec.seed {
        assignment.seed.clone_from(seed);
    }
    if let Some(coverage) = &spec.coverage {
        if !(0.0..=1.0).contains(&coverage.value) {
            problems.report(
                file,
                coverage.referenced,
                "coverage is the share of units that takes part, from 0 to 1",
            );
        }
        assignment.coverage = coverage.value;
    }
    if let Some(namespace) = &spec.namespace {
        let (start, end) = (namespace.value.from, namespace.value.to);
        if !(0.0 <= start && start < end && end <= 1.0) {
            problems.report(
                file,
                namespace.referenced,
                "a namespace is a range of hashes: `from`, at least 0, below `to`, at most 1",
            );
        }
        assignment.namespace =
            Some(Namespace { name: namespace.value.name.clone(), range: Bucket { start, end } });
    }
    assignment
}
