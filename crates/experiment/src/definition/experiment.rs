//! An experiment that holds together.

use std::time::Duration;

use indexmap::{IndexMap, IndexSet};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tranche_metric::{Metric, Metrics};
use tranche_project::{SourceFile, Spanned};
use tranche_scorecard::MetricRole;
use tranche_stats::{Margin, VarianceMethod};

use super::assignment::{Assigned, Assignment};
use super::spec::DecisionSpec;
use super::statistics::{Statistics, TestDirection};

/// A validated experiment: its exposures, variants, metrics and statistics.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// Its name.
    pub name: String,
    /// The hypothesis, in a sentence.
    pub hypothesis: Option<String>,
    /// The entity that is measured, and randomised unless there is a cluster.
    pub entity: String,
    /// The column with what is randomised, where that is coarser than the entity: of the exposures, or else
    /// of the entity.
    pub cluster: Option<Spanned<String>>,
    /// The event table of exposures.
    pub table: Spanned<String>,
    /// Which of its events are exposures, as SQL.
    pub filter: Option<Spanned<String>>,
    /// The column with the variant.
    pub variant: Spanned<String>,
    /// The column with the instant, when not the table's event time.
    pub at: Option<Spanned<String>>,
    /// The variants and their planned shares, which add up to 1.
    pub variants: IndexMap<String, f64>,
    /// The variant that others are compared with.
    pub control: String,
    /// How the assigning system assigns units.
    pub assignment: Assignment,
    /// The first instant of exposures that count.
    pub from: Timestamp,
    /// The first instant that does not any more.
    pub to: Timestamp,
    /// The time zone that its days are of.
    pub zone: TimeZone,
    /// How long after its first exposure a unit's facts count; up to as_of when `None`.
    pub conversion_window: Option<Duration>,
    /// Its metrics, goals first.
    pub metrics: Vec<MetricChoice>,
    /// Segments to break results down by, as written.
    pub segments: Vec<Spanned<String>>,
    /// How effects are estimated.
    pub statistics: Statistics,
    /// The decision rule, if one is declared.
    pub decision: Option<DecisionSpec>,
    /// Where it is defined.
    pub file: SourceFile,
}

/// The place of a variant among those of its experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VariantIndex(pub(crate) usize);

impl VariantIndex {
    /// That of no variant.
    pub(crate) const NONE: Self = Self(usize::MAX);
}

/// A metric with its role.
#[derive(Debug, Clone)]
pub struct MetricChoice {
    /// The metric, with its place in the file.
    pub metric: Spanned<String>,
    /// Its role.
    pub role: MetricRole,
    /// The loss that a guardrail tolerates.
    pub margin: Option<Margin>,
    /// The direction of its test, when not that of the experiment.
    pub direction: Option<TestDirection>,
    /// Where its variance comes from, when not as for the experiment.
    pub variance: Option<VarianceMethod>,
}

impl Experiment {
    /// The variant of the unit with this id, always the same.
    #[must_use]
    pub fn assign(&self, id: &str) -> Assigned {
        self.assignment.assign(&self.name, &self.variants, id)
    }

    /// The variants other than control, in the author's order.
    pub fn treatments(&self) -> impl Iterator<Item = &str> {
        self.variants.keys().map(String::as_str).filter(|variant| *variant != self.control)
    }

    /// The place of a variant among the experiment's; none for one that it does not have.
    pub(crate) fn index_of(&self, variant: &str) -> VariantIndex {
        self.variants.get_index_of(variant).map_or(VariantIndex::NONE, VariantIndex)
    }

    /// How long a unit is observed after its exposure, until the windows of all metrics are over; `None` when
    /// without end.
    #[must_use]
    pub fn observed(&self, metrics: &Metrics) -> Option<SignedDuration> {
        let window = self.conversion_window.and_then(|window| SignedDuration::try_from(window).ok());
        let chosen = self.metrics.iter().filter_map(|choice| metrics.get(&choice.metric.value));
        let mut longest = window;
        for metric in chosen {
            longest = longest.max(Some(metrics.observed(metric, window)?));
        }
        longest
    }

    /// The metrics that are chosen and that there are, in the experiment's order.
    pub(crate) fn chosen<'a>(&'a self, metrics: &'a Metrics) -> Vec<(&'a MetricChoice, &'a Metric)> {
        let of = |choice: &'a MetricChoice| Some((choice, metrics.get(&choice.metric.value)?));
        self.metrics.iter().filter_map(of).collect()
    }

    /// The metrics whose past is taken out of others, each once.
    pub(crate) fn covariates<'a>(&self, metrics: &'a Metrics) -> Vec<&'a Metric> {
        let Some(cuped) = &self.statistics.cuped else { return Vec::new() };
        let own = self.metrics.iter().map(|choice| &choice.metric.value);
        let declared = cuped.covariates.iter().map(|covariate| &covariate.value);
        let names: IndexSet<&String> =
            if cuped.covariates.is_empty() { own.collect() } else { declared.collect() };
        names.into_iter().filter_map(|name| metrics.get(name)).collect()
    }
}
