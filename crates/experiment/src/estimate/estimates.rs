//! Each treatment against control, by segment.

use tranche_metric::Metric;
use tranche_scorecard::{EstimateRow, StepShares, Uncapped};
use tranche_stats::{Alternative, Arm, BayesOptions, Direction, ShareOptions, UndefinedReason};

use super::analysis::{Analysis, Effects, InferenceMethod};
use super::arms::Arms;
use super::inputs::{FunnelSteps, MetricInputs};
use crate::definition::statistics::is_share;
use crate::definition::{Method, MetricChoice};
use crate::units::cells::{Group, SegmentIndex, Side};
use crate::units::collect::UnitData;

/// An estimate with its arms and its analysis.
#[derive(Debug, Clone)]
pub(crate) struct Compared {
    pub(crate) row: EstimateRow,
    pub(crate) arms: Arms,
    pub(crate) analysis: Analysis,
}

impl Compared {
    /// One estimate for each segment and treatment, everyone first.
    pub(crate) fn by_segment(data: &UnitData<'_>, inputs: &MetricInputs<'_>) -> Vec<Self> {
        let experiment = data.observed.experiment;
        let analysis = analysis(data, inputs.choice, inputs.metric);
        let mut compared = Vec::new();
        for (place, segment) in data.divided.segments.keys().enumerate() {
            let group = |variant: &str| {
                data.divided.cells.group(Side::In(SegmentIndex(place)), experiment.index_of(variant))
            };
            let control = group(&experiment.control);
            for variant in experiment.treatments() {
                let groups = Groups { control: &control, treatment: &group(variant) };
                compared.push(Self::of(inputs, &groups, &analysis, (segment, variant)));
            }
        }
        compared
    }

    fn of(
        inputs: &MetricInputs<'_>,
        groups: &Groups<'_>,
        analysis: &Analysis,
        (segment, variant): (&str, &str),
    ) -> Self {
        let MetricInputs { choice, outcomes, extras, .. } = inputs;
        let arms = outcomes.arms(groups.control, groups.treatment);
        let effects = analysis.effects(&arms, analysis.alpha);
        let is_adjusted = !arms.basis.cuped_thetas.is_empty() || arms.basis.strata.is_some();
        // Of clusters it would be the variance of a cluster.
        let variance = |arm: &Arm| variance(arm).filter(|_| arms.basis.clusters.is_none());
        let uncapped = extras
            .uncapped
            .as_ref()
            .map(|outcomes| uncapped(&outcomes.arms(groups.control, groups.treatment), analysis));
        let steps = extras
            .funnel
            .map(|funnel| steps(funnel, &outcomes.units(groups.control), &outcomes.units(groups.treatment)));
        let row = EstimateRow {
            metric: choice.metric.value.clone(),
            role: choice.role,
            segment: segment.to_owned(),
            variant: variant.to_owned(),
            n: arms.units[1],
            mean: mean(&arms.treatment),
            variance: variance(&arms.treatment),
            control_n: arms.units[0],
            control_mean: mean(&arms.control),
            control_variance: variance(&arms.control),
            adjusted_mean: Some(arms.treatment.mean).filter(|_| is_adjusted && arms.treatment.n > 0),
            control_adjusted_mean: Some(arms.control.mean).filter(|_| is_adjusted && arms.control.n > 0),
            undefined: effects.absolute.reason().map(str::to_owned),
            absolute: effects.absolute,
            relative: effects.relative,
            basis: arms.basis.clone(),
            family: None,
            uncapped,
            steps: steps.unwrap_or_default(),
            alternative: match analysis.alternative {
                Alternative::TwoSided => None,
                Alternative::Greater => Some("greater".to_owned()),
                Alternative::Less => Some("less".to_owned()),
            },
            non_inferiority: choice.margin.map(|margin| analysis.non_inferiority(&arms, margin)),
            conclusion: None,
        };
        Self { row, arms, analysis: analysis.clone() }
    }
}

/// The units that are compared.
struct Groups<'a> {
    control: &'a Group,
    treatment: &'a Group,
}

/// How the arms of a metric are analysed.
fn analysis(data: &UnitData<'_>, choice: &MetricChoice, metric: &Metric) -> Analysis {
    let statistics = &data.observed.experiment.statistics;
    let taken = data.observed.taken.as_ref().map(|taken| &taken.design);
    let better = match metric.direction {
        tranche_metric::Direction::Increase => Direction::HigherIsBetter,
        tranche_metric::Direction::Decrease => Direction::LowerIsBetter,
    };
    let alpha = statistics.alpha;
    let method = match (&statistics.method, statistics.method.inference(&metric.name, taken)) {
        (_, Some(inference)) => InferenceMethod::Test(inference, statistics.relative),
        (Method::Bayes { shares: Some(prior), .. }, None) if is_share(metric) => {
            InferenceMethod::SharePosterior(ShareOptions { alpha, prior: *prior, direction: better })
        }
        (Method::Bayes { prior, .. }, None) => {
            InferenceMethod::Posterior(BayesOptions { alpha, prior: *prior, direction: better })
        }
        (Method::GroupSequential(design), None) => InferenceMethod::Withheld(format!(
            "no planned look has been reached: the first is {}",
            design.first_look()
        )),
        (_, None) => InferenceMethod::Withheld("this inference has no test".to_owned()),
    };
    let direction = choice.direction.unwrap_or(statistics.direction);
    // A guardrail with a margin is tested against it on its own; its effect is shown with both bounds.
    let alternative =
        if choice.margin.is_some() { Alternative::TwoSided } else { direction.alternative(metric.direction) };
    Analysis { better: metric.direction, alternative, alpha: statistics.alpha, method }
}

/// The mean as observed, before anything was taken out of it.
fn mean(arm: &Arm) -> Option<f64> {
    (arm.has_value() && arm.baseline.mean.is_finite()).then_some(arm.baseline.mean)
}

/// The variance of a unit as observed; 0 where all are alike.
fn variance(arm: &Arm) -> Option<f64> {
    matches!(arm.variance, Ok(_) | Err(UndefinedReason::NoVariance)).then_some(arm.baseline.variance)
}

fn uncapped(arms: &Arms, analysis: &Analysis) -> Uncapped {
    let Effects { absolute, relative } = analysis.effects(arms, analysis.alpha);
    Uncapped { mean: mean(&arms.treatment), control_mean: mean(&arms.control), absolute, relative }
}

/// The shares of units that passed each step.
#[expect(clippy::cast_precision_loss, reason = "counts of units")]
fn steps(funnel: FunnelSteps<'_>, control: &[usize], treatment: &[usize]) -> Vec<StepShares> {
    let share = |units: &[usize], step: usize| {
        let passed = units.iter().filter(|&&unit| usize::from(funnel.reached[unit]) >= step).count();
        (!units.is_empty()).then(|| passed as f64 / units.len() as f64)
    };
    let of = |step| StepShares { step, share: share(treatment, step), control_share: share(control, step) };
    (1..=funnel.steps).map(of).collect()
}
