//! What estimates take into account besides the values of units, named.

use serde_json::{Map, Value, json};
use tranche_scorecard::EstimatorNote;
use tranche_stats::{Adjustment, VarianceMethod};

use crate::experiment::Experiment;
use crate::statistics::{DeclaredFamily, Method};

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
        beta.then(|| ("beta_binomial", super::parameters(&experiment.statistics.method))),
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

/// What is declared of estimates, by the keys of a definition; what is not declared is left out.
pub(crate) fn estimation(experiment: &Experiment) -> Map<String, Value> {
    let statistics = &experiment.statistics;
    let mut declared = Map::new();
    if let Some(cluster) = &experiment.cluster {
        declared.insert("cluster".to_owned(), json!(cluster.value));
    }
    if let Some(cuped) = &statistics.cuped {
        let names: Vec<&str> = cuped.covariates.iter().map(|covariate| covariate.value.as_str()).collect();
        let mut value = json!({"lookback_seconds": cuped.lookback.as_secs()});
        if !names.is_empty() {
            value["covariates"] = json!(names);
        }
        declared.insert("cuped".to_owned(), value);
    }
    if !statistics.strata.is_empty() {
        let patterns: Vec<&str> = statistics.strata.iter().map(|pattern| pattern.value.as_str()).collect();
        declared.insert("strata".to_owned(), json!(patterns));
    }
    if statistics.variance != VarianceMethod::Formula {
        declared.insert("variance".to_owned(), variance(statistics.variance));
    }
    if !statistics.families.is_empty() {
        declared.insert("families".to_owned(), statistics.families.iter().map(family).collect());
    }
    declared
}

/// A variance, as a definition writes it.
pub(crate) fn variance(method: VarianceMethod) -> Value {
    match method {
        VarianceMethod::Formula => json!("analytic"),
        VarianceMethod::Bootstrap { replicates, seed } => {
            json!({"bootstrap": {"replicates": replicates, "seed": seed}})
        }
    }
}

fn family(family: &DeclaredFamily) -> (String, Value) {
    let DeclaredFamily { name, metrics, segments, variants, adjust } = family;
    let adjust = Adjustment::name(*adjust);
    (name.clone(), json!({"metrics": metrics, "segments": segments, "variants": variants, "adjust": adjust}))
}
