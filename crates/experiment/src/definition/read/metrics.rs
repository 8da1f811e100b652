//! Validation of `metrics:`.

use std::ops::RangeInclusive;

use tranche_project::{Problems, SourceFile, Spanned};
use tranche_scorecard::MetricRole;
use tranche_stats::{Margin, VarianceMethod};

use crate::definition::experiment::MetricChoice;
use crate::definition::spec::{MetricChoiceSpec, MetricsSpec, NumberOrText, VarianceSpec};
use crate::definition::statistics::TestDirection;

/// How many resamples a bootstrap draws, unless its author says otherwise, and how many it may.
const DEFAULT_REPLICATES: u32 = 2_000;
const REPLICATES: RangeInclusive<u32> = 100..=100_000;
/// Where the random numbers of a bootstrap begin, unless its author says otherwise.
const DEFAULT_SEED: u64 = 1;

/// The metrics of an experiment, goals first; every problem is reported.
pub(super) fn validate(spec: MetricsSpec, file: &SourceFile, problems: &mut Problems) -> Vec<MetricChoice> {
    let written = [
        (MetricRole::Goal, spec.goal),
        (MetricRole::Secondary, spec.secondary),
        (MetricRole::Guardrail, spec.guardrail),
    ];
    let mut choices = Vec::new();
    for (role, written) in written {
        choices.extend(written.into_iter().map(|choice| metric_choice(role, choice, file, problems)));
    }
    choices
}

fn metric_choice(
    role: MetricRole,
    spec: Spanned<MetricChoiceSpec>,
    file: &SourceFile,
    problems: &mut Problems,
) -> MetricChoice {
    let Spanned { value: MetricChoiceSpec { metric, margin, alternative, variance }, referenced, defined } =
        spec;
    if role != MetricRole::Guardrail && margin.is_some() {
        problems.report(file, referenced, "a margin has a meaning only for a guardrail");
    }
    if margin.is_some() && alternative.is_some() {
        problems.report(
            file,
            referenced,
            "a margin is tested in the metric's own direction; leave `alternative` out",
        );
    }
    let margin = margin.and_then(|margin| {
        self::margin(&margin).map_err(|message| problems.report(file, referenced, message)).ok()
    });
    let variance = variance.and_then(|written| {
        self::variance(written).map_err(|message| problems.report(file, referenced, message)).ok()
    });
    MetricChoice {
        metric: Spanned { value: metric, referenced, defined },
        role,
        margin,
        direction: alternative.map(TestDirection::from),
        variance,
    }
}

/// A margin as written: `0.02` in the metric's unit, `2%` of the control mean.
fn margin(written: &NumberOrText) -> Result<Margin, String> {
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
pub(super) fn variance(written: VarianceSpec) -> Result<VarianceMethod, String> {
    let VarianceSpec::Bootstrap(bootstrap) = written else { return Ok(VarianceMethod::Formula) };
    let replicates = bootstrap.replicates.unwrap_or(DEFAULT_REPLICATES);
    if !REPLICATES.contains(&replicates) {
        let message =
            format!("a bootstrap draws from {} to {} replicates", REPLICATES.start(), REPLICATES.end());
        return Err(message);
    }
    Ok(VarianceMethod::Bootstrap { replicates, seed: bootstrap.seed.unwrap_or(DEFAULT_SEED) })
}
