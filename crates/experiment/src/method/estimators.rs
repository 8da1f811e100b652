//! The estimators of a result, each with its formula, source and parameters.

use serde_json::{Value, json};
use tranche_scorecard::EstimatorNote;
use tranche_stats::VarianceMethod;

use super::declared::{estimation, parameters};
use crate::definition::{Experiment, Method};

/// Names all of them.
pub(super) fn of(experiment: &Experiment) -> Vec<EstimatorNote> {
    let declared = estimation(experiment);
    let by_metric = experiment
        .metrics
        .iter()
        .any(|choice| matches!(choice.variance, Some(VarianceMethod::Bootstrap { .. })));
    let beta = matches!(experiment.statistics.method, Method::Bayes { shares: Some(_), .. });
    let is_resampled =
        by_metric || matches!(experiment.statistics.variance, VarianceMethod::Bootstrap { .. });
    let parameter = |key: &str| declared.get(key).map(|value| json!({key: value}));
    let found = [
        parameter("cluster").map(|parameters| ("cluster_robust", parameters)),
        parameter("cuped").map(|parameters| ("cuped", parameters)),
        parameter("strata").map(|parameters| ("post_stratification", parameters)),
        is_resampled.then(|| ("bootstrap", parameter("variance").unwrap_or_else(|| json!({})))),
        beta.then(|| ("beta_binomial", parameters(&experiment.statistics.method))),
    ];
    let note = |(estimator, parameters): (&str, Value)| {
        let (formula, source) = formula(estimator);
        EstimatorNote {
            estimator: estimator.to_owned(),
            formula: formula.to_owned(),
            source: source.to_owned(),
            parameters: parameters.into(),
        }
    };
    found.into_iter().flatten().map(note).collect()
}

fn formula(estimator: &str) -> (&'static str, &'static str) {
    match estimator {
        "cluster_robust" => (
            "means and ratios are ratios of sums over clusters, with the delta method's variance between clusters and n / (n - 1) of n \
             clusters",
            "Deng, Knoblich and Lu (2018), section 4",
        ),
        "cuped" => (
            "estimate - θ · (covariate means - those of both arms), θ by least squares over both arms of a comparison; ratios linearised",
            "Deng, Xu, Kohavi and Walker (2013), appendix B",
        ),
        "post_stratification" => (
            "Σ w mean of stratum, w its share of both arms, with the variance Σ w² s² / n",
            "Miratrix, Sekhon and Yu (2013)",
        ),
        "bootstrap" => (
            "the variance of an arm's estimate over resamples of n - 1 of n units or clusters",
            "Rao and Wu (1988)",
        ),
        _ => (
            "proportions: Beta(α + successes, β + failures) for each arm; chances, intervals and losses are integrals over both",
            "Gelman et al., Bayesian Data Analysis, section 2.4; Stucchio (2015)",
        ),
    }
}
