//! `statistics:` from what its author wrote to what it means.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tranche_project::{Position, Problems, SourceFile, Spanned, duration, instant};
use tranche_stats::{Adjustment, BetaPrior, Margin, Prior, RelativeMethod, Spending, VarianceMethod};

use super::{Cuped, Method, Scale, Statistics, TestDirection, families};
use crate::looks::Design;
use crate::spec::{
    AdjustSpec, AlternativeSpec, EffectPriorSpec, ExperimentSpec, InferenceSpec, NumberOrText, RelativeSpec, ScaleSpec,
    SpendingSpec, StatisticsSpec, VarianceSpec,
};

/// The number of units at which a sequential interval is narrowest, unless its author says otherwise.
pub(crate) const DEFAULT_TUNING: f64 = 5_000.0;
/// How many resamples a bootstrap draws, unless its author says otherwise, and how many it may.
const DEFAULT_REPLICATES: u32 = 2_000;
const REPLICATES: RangeInclusive<u32> = 100..=100_000;
/// Where the random numbers of a bootstrap begin, unless its author says otherwise.
const DEFAULT_SEED: u64 = 1;

/// A margin as written: `0.02` in the metric's unit, `2%` of the control mean.
pub(crate) fn margin(written: &NumberOrText) -> Result<Margin, String> {
    let margin = match written {
        NumberOrText::Number(size) => Margin::Absolute(*size),
        NumberOrText::Text(text) => text.parse::<Margin>().map_err(|problem| problem.to_string())?,
    };
    match margin {
        Margin::Absolute(size) | Margin::Relative(size) if size.is_finite() && size >= 0.0 => Ok(margin),
        _ => Err(
            "a margin is a number of at least 0 in the metric's unit, such as 0.02, or a share of the control mean, such as 2%"
                .to_owned(),
        ),
    }
}

/// Where a variance comes from, as written.
pub(crate) fn variance(written: VarianceSpec) -> Result<VarianceMethod, String> {
    let VarianceSpec::Bootstrap(bootstrap) = written else { return Ok(VarianceMethod::Formula) };
    let replicates = bootstrap.replicates.unwrap_or(DEFAULT_REPLICATES);
    if !REPLICATES.contains(&replicates) {
        let message = format!("a bootstrap draws from {} to {} replicates", REPLICATES.start(), REPLICATES.end());
        return Err(message);
    }
    Ok(VarianceMethod::Bootstrap { replicates, seed: bootstrap.seed.unwrap_or(DEFAULT_SEED) })
}

/// Validates `statistics:` of an experiment, but for what depends on its metrics and segments; every problem is reported.
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
    let method = validate_method(spec, zone, file, problems);
    let lookback = |text: &Spanned<String>, problems: &mut Problems| {
        duration::parse(&text.value).map_err(|message| problems.report(file, text.referenced, message)).ok()
    };
    let cuped = match &spec.cuped {
        Some(cuped) => Some(Cuped { lookback: lookback(&cuped.lookback, problems)?, covariates: cuped.covariates.clone() }),
        None => None,
    };
    let variance = match &spec.variance {
        Some(written) => variance(written.value).map_err(|message| problems.report(file, written.referenced, message)).ok()?,
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
        direction: spec.alternative.as_ref().map_or(TestDirection::TwoSided, |alternative| alternative.value.into()),
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
    let at = |location: tranche_project::Location| Position::from(location);
    let keys = [
        ("tuning", InferenceSpec::Sequential, "sequential", spec.tuning.as_ref().map(|key| at(key.referenced))),
        ("scale", InferenceSpec::Mixture, "mixture", spec.scale.as_ref().map(|key| at(key.referenced))),
        ("looks", InferenceSpec::GroupSequential, "group_sequential", spec.looks.as_ref().map(|key| at(key.referenced))),
        (
            "planned_units",
            InferenceSpec::GroupSequential,
            "group_sequential",
            spec.planned_units.as_ref().map(|key| at(key.referenced)),
        ),
        ("spending", InferenceSpec::GroupSequential, "group_sequential", spec.spending.as_ref().map(|key| at(key.referenced))),
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
        let message = "a posterior has no p-value to adjust; leave `families` out, or choose another inference";
        problems.report(file, family.referenced, message);
    }
    if let Some(alternative) = spec.alternative.as_ref().filter(|written| written.value != AlternativeSpec::TwoSided) {
        let message = "a posterior speaks of both directions; leave `alternative` out, or choose another inference";
        problems.report(file, alternative.referenced, message);
    }
}

/// What has no meaning together.
fn report_what_excludes_each_other(experiment: &ExperimentSpec, file: &SourceFile, problems: &mut Problems) {
    let spec = &experiment.statistics;
    let (cluster, strata) = (experiment.cluster.as_ref().map(|c| c.referenced), spec.strata.first().map(|s| s.referenced));
    if let (Some(_), Some(strata)) = (cluster, strata) {
        let message =
            "strata weigh units, and the units of a cluster may lie in several of them; leave `strata` or `cluster` out";
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
                let message =
                    format!("with a beta prior successes are counted as they are; leave `{key}` out, or take another prior");
                problems.report(file, place, message);
            }
        }
    }
}

fn validate_method(spec: &StatisticsSpec, zone: &TimeZone, file: &SourceFile, problems: &mut Problems) -> Option<Method> {
    let Some(inference) = &spec.inference else { return Some(Method::Fixed) };
    match inference.value {
        InferenceSpec::Fixed => Some(Method::Fixed),
        InferenceSpec::Sequential => {
            if let Some(tuning) = spec.tuning.as_ref().filter(|tuning| !is_positive(tuning.value)) {
                problems.report(file, tuning.referenced, "tuning is a number of units, more than 0");
            }
            Some(Method::Sequential { tuning: spec.tuning.as_ref().map_or(DEFAULT_TUNING, |tuning| tuning.value) })
        }
        InferenceSpec::Mixture => {
            let Some(scale) = &spec.scale else {
                let message = "a mixture needs `scale:`, the standard deviation of plausible effects in the metric's unit, such as \
                               `scale: 0.02` or `scale: {orders: 0.02, revenue: 1.5}`";
                problems.report(file, inference.referenced, message);
                return None;
            };
            let positive = match &scale.value {
                ScaleSpec::One(one) => is_positive(*one),
                ScaleSpec::Each(each) => each.values().all(|one| is_positive(*one)),
            };
            if !positive {
                problems.report(file, scale.referenced, "a scale is a standard deviation of effects, more than 0");
            }
            let scale = match &scale.value {
                ScaleSpec::One(one) => Scale::One(*one),
                ScaleSpec::Each(each) => Scale::Each(each.clone()),
            };
            Some(Method::Mixture { scale })
        }
        InferenceSpec::GroupSequential => {
            validate_design(spec, inference.referenced, zone, file, problems).map(Method::GroupSequential)
        }
        InferenceSpec::Bayes => {
            let Some(prior) = &spec.prior else {
                let message = "Bayesian inference needs `prior:`, such as `flat` or `{relative: {mean: 0, sd: 0.1}}`";
                problems.report(file, inference.referenced, message);
                return None;
            };
            if let EffectPriorSpec::Relative(normal) | EffectPriorSpec::Absolute(normal) = prior.value.effect
                && !(is_positive(normal.sd) && normal.mean.is_finite())
            {
                problems.report(
                    file,
                    prior.referenced,
                    "a prior has a finite mean and a standard deviation, `sd`, of more than 0",
                );
            }
            if prior.value.beta.is_some_and(|beta| !(is_positive(beta.alpha) && is_positive(beta.beta))) {
                problems.report(
                    file,
                    prior.referenced,
                    "`alpha` and `beta` of a beta prior are more than 0; 1 and 1 are uniform",
                );
            }
            Some(Method::Bayes {
                prior: match prior.value.effect {
                    EffectPriorSpec::Flat => Prior::Flat,
                    EffectPriorSpec::Relative(normal) => Prior::Normal { mean: normal.mean, sd: normal.sd },
                    EffectPriorSpec::Absolute(normal) => Prior::NormalAbsolute { mean: normal.mean, sd: normal.sd },
                },
                shares: prior.value.beta.map(|beta| BetaPrior { successes: beta.alpha, failures: beta.beta }),
            })
        }
    }
}

fn validate_design(
    spec: &StatisticsSpec,
    at: tranche_project::Location,
    zone: &TimeZone,
    file: &SourceFile,
    problems: &mut Problems,
) -> Option<Design> {
    let spending = match spec.spending.as_ref().map(|spending| (spending.value, spending.referenced)) {
        None | Some((SpendingSpec::ObrienFleming, _)) => Spending::OBrienFleming,
        Some((SpendingSpec::Pocock, _)) => Spending::Pocock,
        Some((SpendingSpec::Power(rho), at)) => {
            if !is_positive(rho) {
                problems.report(file, at, "the exponent of power spending is more than 0; 1 spends evenly");
            }
            Spending::Power { rho }
        }
    };
    let Some(looks) = spec.looks.as_ref().filter(|looks| !looks.value.is_empty()) else {
        let message = "group-sequential inference needs its planned looks: `looks: [0.5, 1]` with `planned_units:`, or \
                       `looks: [2026-09-15, 2026-10-15]`";
        problems.report(file, spec.looks.as_ref().map_or(at, |looks| looks.referenced), message);
        return None;
    };
    let units = spec.planned_units.as_ref().map(|units| units.value);
    if let Some(written) = spec.planned_units.as_ref().filter(|units| units.value == 0) {
        problems.report(file, written.referenced, "planned_units is a number of units, more than 0");
    }
    let first = looks.value.first()?;
    match &first.value {
        NumberOrText::Number(_) => {
            let fractions = each_look(&looks.value, file, problems, "a share of the planned units", |look| match look {
                NumberOrText::Number(share) if *share > 0.0 && *share <= 1.0 => Ok(*share),
                _ => Err("is not a share of the planned units, from above 0 to 1".to_owned()),
            })?;
            if fractions.last().is_some_and(|last| *last < 1.0) {
                problems.report(file, looks.value.last()?.referenced, "the last look is at all planned units; write 1");
            }
            let Some(units) = units else {
                let message =
                    "looks at shares of the planned units need `planned_units:`; `tranche experiment power` computes it";
                problems.report(file, looks.referenced, message);
                return None;
            };
            Some(Design::at_fractions(spending, fractions, units))
        }
        NumberOrText::Text(_) => {
            let instants: Vec<Timestamp> = each_look(&looks.value, file, problems, "an instant", |look| match look {
                NumberOrText::Text(text) => instant::parse(text, zone),
                NumberOrText::Number(_) => Err("is a number among instants; write all looks in one way".to_owned()),
            })?;
            Some(Design::at_instants(spending, instants, units))
        }
    }
}

/// Reads looks one by one; they rise.
fn each_look<T: PartialOrd + Copy>(
    looks: &[Spanned<NumberOrText>],
    file: &SourceFile,
    problems: &mut Problems,
    what: &str,
    read: impl Fn(&NumberOrText) -> Result<T, String>,
) -> Option<Vec<T>> {
    let mut found: Vec<T> = Vec::with_capacity(looks.len());
    for look in looks {
        match read(&look.value) {
            Err(message) => {
                problems.report(file, look.referenced, format!("this look {message}"));
                return None;
            }
            Ok(value) if found.last().is_some_and(|before| *before >= value) => {
                problems.report(
                    file,
                    look.referenced,
                    format!("looks rise, and this one, {what}, is not after the one before it"),
                );
                return None;
            }
            Ok(value) => found.push(value),
        }
    }
    Some(found)
}

fn is_positive(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}

pub(super) fn adjustment(spec: Option<AdjustSpec>) -> Adjustment {
    match spec {
        None | Some(AdjustSpec::None) => Adjustment::None,
        Some(AdjustSpec::Bonferroni) => Adjustment::Bonferroni,
        Some(AdjustSpec::Holm) => Adjustment::Holm,
        Some(AdjustSpec::Hochberg) => Adjustment::Hochberg,
        Some(AdjustSpec::BenjaminiHochberg) => Adjustment::BenjaminiHochberg,
        Some(AdjustSpec::BenjaminiYekutieli) => Adjustment::BenjaminiYekutieli,
    }
}
