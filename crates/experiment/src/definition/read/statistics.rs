//! Validation of `statistics:`.

use jiff::tz::TimeZone;
use tranche_project::{Location, Position, Problems, SourceFile, Spanned, duration};
use tranche_stats::{RelativeMethod, VarianceMethod};

use super::families::{self, adjustment};
use super::inference;
use super::metrics::variance;
use crate::definition::spec::{
    AdjustSpec, AlternativeSpec, ExperimentSpec, InferenceSpec, RelativeSpec, StatisticsSpec,
};
use crate::definition::statistics::{Cuped, Statistics, TestDirection};

/// Validates `statistics:` of an experiment, but for what depends on its metrics and segments; every problem
/// is reported.
pub(crate) fn validate(
    experiment: &ExperimentSpec,
    zone: &TimeZone,
    file: &SourceFile,
    problems: &mut Problems,
) -> Option<Statistics> {
    let spec = &experiment.statistics;
    let alpha = spec.alpha.as_ref().map_or(0.05, |alpha| alpha.value);
    if let Some(written) = spec.alpha.as_ref().filter(|_| !(alpha > 0.0 && alpha < 1.0)) {
        problems.report(file, written.referenced, "alpha is the chance of a false alarm, between 0 and 1");
    }
    report_foreign_keys(spec, file, problems);
    let method = inference::validate(spec, zone, file, problems);
    let lookback = |text: &Spanned<String>, problems: &mut Problems| {
        duration::parse(&text.value).map_err(|message| problems.report(file, text.referenced, message)).ok()
    };
    let cuped = match &spec.cuped {
        Some(cuped) => Some(Cuped {
            lookback: lookback(&cuped.lookback, problems)?,
            covariates: cuped.covariates.clone(),
        }),
        None => None,
    };
    let variance = match &spec.variance {
        Some(written) => variance(written.value)
            .map_err(|message| problems.report(file, written.referenced, message))
            .ok()?,
        None => VarianceMethod::Formula,
    };
    report_what_excludes_each_other(experiment, file, problems);
    Some(Statistics {
        alpha,
        method: method?,
        relative: match spec.relative {
            Some(RelativeSpec::Delta) => RelativeMethod::Delta,
            Some(RelativeSpec::Fieller) | None => RelativeMethod::Fieller,
        },
        direction: spec
            .alternative
            .as_ref()
            .map_or(TestDirection::TwoSided, |alternative| alternative.value.into()),
        cuped,
        strata: spec.strata.clone(),
        variance,
        adjust: adjustment(spec.adjust.as_ref().map(|adjust| adjust.value)),
        families: families::validate(experiment, file, problems),
    })
}

/// Keys that belong to another inference would do nothing.
fn report_foreign_keys(spec: &StatisticsSpec, file: &SourceFile, problems: &mut Problems) {
    let chosen = spec.inference.as_ref().map_or(InferenceSpec::Fixed, |inference| inference.value);
    let at = |location: Location| Position::from(location);
    let keys = [
        (
            "tuning",
            InferenceSpec::Sequential,
            "sequential",
            spec.tuning.as_ref().map(|key| at(key.referenced)),
        ),
        ("scale", InferenceSpec::Mixture, "mixture", spec.scale.as_ref().map(|key| at(key.referenced))),
        (
            "looks",
            InferenceSpec::GroupSequential,
            "group_sequential",
            spec.looks.as_ref().map(|key| at(key.referenced)),
        ),
        (
            "planned_units",
            InferenceSpec::GroupSequential,
            "group_sequential",
            spec.planned_units.as_ref().map(|key| at(key.referenced)),
        ),
        (
            "spending",
            InferenceSpec::GroupSequential,
            "group_sequential",
            spec.spending.as_ref().map(|key| at(key.referenced)),
        ),
        ("prior", InferenceSpec::Bayes, "bayes", spec.prior.as_ref().map(|key| at(key.referenced))),
    ];
    for (key, owner, name, place) in keys {
        if let Some(place) = place.filter(|_| chosen != owner) {
            problems.report(
                file,
                place,
                format!("`{key}` has a meaning only with `inference: {name}`; choose that, or leave it out"),
            );
        }
    }
    if chosen != InferenceSpec::Bayes {
        return;
    }
    if let Some(adjust) = spec.adjust.as_ref().filter(|adjust| adjust.value != AdjustSpec::None) {
        problems.report(
            file,
            adjust.referenced,
            "a posterior has no p-value to adjust; leave `adjust` out, or choose another inference",
        );
    }
    if let Some((_, family)) = spec.families.first() {
        let message =
            "a posterior has no p-value to adjust; leave `families` out, or choose another inference";
        problems.report(file, family.referenced, message);
    }
    if let Some(alternative) =
        spec.alternative.as_ref().filter(|written| written.value != AlternativeSpec::TwoSided)
    {
        let message =
            "a posterior covers both directions; leave `alternative` out, or choose another inference";
        problems.report(file, alternative.referenced, message);
    }
}

/// What has no meaning together.
fn report_what_excludes_each_other(experiment: &ExperimentSpec, file: &SourceFile, problems: &mut Problems) {
    let spec = &experiment.statistics;
    let (cluster, strata) =
        (experiment.cluster.as_ref().map(|c| c.referenced), spec.strata.first().map(|s| s.referenced));
    if let (Some(_), Some(strata)) = (cluster, strata) {
        let message = "strata weigh units, and the units of a cluster may lie in several of them; leave `strata` or `cluster` out";
        problems.report(file, strata, message);
    }
    if spec.prior.as_ref().is_some_and(|prior| prior.value.beta.is_some()) {
        let others = [
            ("cluster", cluster),
            ("cuped", spec.cuped.as_ref().map(|cuped| cuped.lookback.referenced)),
            ("strata", strata),
            ("variance", spec.variance.as_ref().map(|variance| variance.referenced)),
        ];
        for (key, place) in others {
            if let Some(place) = place {
                let message = format!(
                    "with a beta prior successes are counted as they are; leave `{key}` out, or take another prior"
                );
                problems.report(file, place, message);
            }
        }
    }
}
