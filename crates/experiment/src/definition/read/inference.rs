//! Validation of `inference:` and its own keys.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tranche_project::{Location, Problems, SourceFile, Spanned, instant};
use tranche_stats::{BetaPrior, Prior, Spending};

use crate::definition::looks::Design;
use crate::definition::spec::{
    EffectPriorSpec, InferenceSpec, NumberOrText, ScaleSpec, SpendingSpec, StatisticsSpec,
};
use crate::definition::statistics::{DEFAULT_TUNING, Method, Scale};

/// Validates the inference; every problem is reported.
pub(super) fn validate(
    spec: &StatisticsSpec,
    zone: &TimeZone,
    file: &SourceFile,
    problems: &mut Problems,
) -> Option<Method> {
    let Some(inference) = &spec.inference else { return Some(Method::Fixed) };
    match inference.value {
        InferenceSpec::Fixed => Some(Method::Fixed),
        InferenceSpec::Sequential => {
            if let Some(tuning) = spec.tuning.as_ref().filter(|tuning| !is_positive(tuning.value)) {
                problems.report(file, tuning.referenced, "tuning is a number of units, more than 0");
            }
            Some(Method::Sequential {
                tuning: spec.tuning.as_ref().map_or(DEFAULT_TUNING, |tuning| tuning.value),
            })
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
                problems.report(
                    file,
                    scale.referenced,
                    "a scale is a standard deviation of effects, more than 0",
                );
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
        InferenceSpec::Bayes => bayes(spec, inference.referenced, file, problems),
    }
}

/// A posterior and its prior.
fn bayes(spec: &StatisticsSpec, at: Location, file: &SourceFile, problems: &mut Problems) -> Option<Method> {
    let Some(prior) = &spec.prior else {
        let message = "Bayesian inference needs `prior:`, such as `flat` or `{relative: {mean: 0, sd: 0.1}}`";
        problems.report(file, at, message);
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

fn validate_design(
    spec: &StatisticsSpec,
    at: Location,
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
            let fractions =
                each_look(&looks.value, file, problems, "a share of the planned units", |look| match look {
                    NumberOrText::Number(share) if *share > 0.0 && *share <= 1.0 => Ok(*share),
                    _ => Err("is not a share of the planned units, from above 0 to 1".to_owned()),
                })?;
            if fractions.last().is_some_and(|last| *last < 1.0) {
                problems.report(
                    file,
                    looks.value.last()?.referenced,
                    "the last look is at all planned units; write 1",
                );
            }
            let Some(units) = units else {
                let message = "looks at shares of the planned units need `planned_units:`; `tranche experiment power` computes it";
                problems.report(file, looks.referenced, message);
                return None;
            };
            Some(Design::at_fractions(spending, fractions, units))
        }
        NumberOrText::Text(_) => {
            let instants: Vec<Timestamp> =
                each_look(&looks.value, file, problems, "an instant", |look| match look {
                    NumberOrText::Text(text) => instant::parse(text, zone),
                    NumberOrText::Number(_) => {
                        Err("is a number among instants; write all looks in one way".to_owned())
                    }
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
