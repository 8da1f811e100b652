//! The parts of `statistics:` and `cluster:` that depend on metrics and contracts.

use tranche_metric::{MetricKind, Metrics};
use tranche_project::{Problems, SourceFile};
use tranche_segment::Definitions;
use tranche_stats::VarianceMethod;

use crate::definition::cluster_column::ClusterColumn;
use crate::definition::experiment::Experiment;
use crate::definition::statistics::{Method, is_share};

/// Reports covariates that are no metrics, a cluster that is no column, and a prior of shares where no share
/// is measured.
pub(super) fn check(
    experiment: &Experiment,
    definitions: &Definitions,
    metrics: &Metrics,
    problems: &mut Problems,
) {
    let file = &experiment.file;
    for covariate in experiment.statistics.cuped.iter().flat_map(|cuped| &cuped.covariates) {
        if metrics.get(&covariate.value).is_none() {
            problems.report(file, covariate.referenced, metrics.unknown(&covariate.value));
        }
    }
    check_cluster(experiment, definitions, file, problems);
    for choice in experiment
        .metrics
        .iter()
        .filter(|choice| matches!(choice.variance, Some(VarianceMethod::Bootstrap { .. })))
    {
        if metrics
            .get(&choice.metric.value)
            .is_some_and(|metric| matches!(metric.kind, MetricKind::Quantile { .. }))
        {
            problems.report(
                file,
                choice.metric.referenced,
                "the variance of a quantile is analytic; leave `variance` out",
            );
        }
    }
    let mut chosen = experiment.metrics.iter();
    if let Method::Bayes { shares: Some(_), .. } = experiment.statistics.method
        && !chosen.any(|choice| metrics.get(&choice.metric.value).is_some_and(is_share))
        && let Some(first) = experiment.metrics.first()
    {
        let message = "a beta prior is of shares, and no metric of this experiment is a proportion, a retention or a funnel; take another prior";
        problems.report(file, first.metric.referenced, message);
    }
}

fn check_cluster(
    experiment: &Experiment,
    definitions: &Definitions,
    file: &SourceFile,
    problems: &mut Problems,
) {
    let Some(column) = &experiment.cluster else { return };
    let Some(exposures) = definitions.contracts.get(&experiment.table.value) else { return };
    let entity = definitions.entity_contract(&experiment.entity);
    if ClusterColumn::of(&column.value, exposures, entity).is_none() {
        let tables =
            [Some(exposures), entity].into_iter().flatten().map(|contract| format!("`{}`", contract.table));
        let message = format!(
            "there is no column `{}` in {}; name the column with what was randomised, in the table of exposures or in the entity's",
            column.value,
            tables.collect::<Vec<_>>().join(" or ")
        );
        problems.report(file, column.referenced, message);
    }
}
