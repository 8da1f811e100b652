//! Declarations of inference and estimation, by the keys of a definition.

use serde_json::{Map, Value, json};
use tranche_stats::{Adjustment, BetaPrior, Prior, Spending, VarianceMethod};

use crate::definition::{DeclaredFamily, Experiment, Method, PlannedLooks, Scale};

/// The parameters of an inference, by the keys of a definition.
pub(crate) fn parameters(method: &Method) -> Value {
    match method {
        Method::Fixed => json!({}),
        Method::Sequential { tuning } => json!({"tuning": tuning}),
        Method::Mixture { scale: Scale::One(scale) } => json!({"scale": scale}),
        Method::Mixture { scale: Scale::Each(scales) } => json!({"scale": scales}),
        Method::GroupSequential(design) => {
            let (looks, units) = match &design.looks {
                PlannedLooks::Fractions { fractions, units } => (json!(fractions), Some(*units)),
                PlannedLooks::Instants { instants, units } => (json!(instants), *units),
            };
            let spending = match design.spending {
                Spending::OBrienFleming => json!("obrien_fleming"),
                Spending::Pocock => json!("pocock"),
                Spending::Power { rho } => json!({"power": rho}),
            };
            json!({"looks": looks, "planned_units": units, "spending": spending})
        }
        Method::Bayes { prior, shares } => {
            let mut written = match prior {
                Prior::Flat => json!("flat"),
                Prior::Normal { mean, sd } => json!({"relative": {"mean": mean, "sd": sd}}),
                Prior::NormalAbsolute { mean, sd } => json!({"absolute": {"mean": mean, "sd": sd}}),
            };
            if let Some(BetaPrior { successes, failures }) = shares {
                if !written.is_object() {
                    written = json!({});
                }
                written["beta"] = json!({"alpha": successes, "beta": failures});
            }
            json!({"prior": written})
        }
    }
}

/// The declarations of estimation, by the keys of a definition; keys that are not declared are left out.
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
