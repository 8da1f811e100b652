//! Each treatment against control, by metric and segment.

use tranche_metric::Metric;
use tranche_scorecard::{EstimateRow, StepShares, Uncapped};
use tranche_stats::{Alternative, Arm, BayesOptions, Direction, Lack, ShareOptions};

use crate::analysis::{Analysis, Effects, InferenceMethod};
use crate::arms::{Arms, Outcomes};
use crate::cells::{Cells, Group, Side};
use crate::experiment::{Experiment, MetricChoice};
use crate::family::Measured;
use crate::looks::TakenLook;
use crate::segments::Membership;
use crate::statistics::{Method, is_share};

/// What all comparisons are made from.
pub(crate) struct Comparing<'a> {
    pub(crate) experiment: &'a Experiment,
    pub(crate) segments: &'a Membership,
    pub(crate) cells: &'a Cells,
    pub(crate) taken: Option<&'a TakenLook>,
}

impl Comparing<'_> {
    /// One row for each segment and treatment.
    pub(crate) fn rows(
        &self,
        choice: &MetricChoice,
        metric: &Metric,
        outcomes: &Outcomes<'_>,
        beside: &Beside<'_>,
    ) -> Vec<Measured> {
        let analysis = self.analysis(choice, metric);
        let mut rows = Vec::new();
        for (place, segment) in self.segments.keys().enumerate() {
            let group = |variant: &str| {
                let variant = self.experiment.variants.get_index_of(variant).unwrap_or(usize::MAX);
                self.cells.group(Side::In(place), variant)
            };
            let control = group(&self.experiment.control);
            for variant in self.experiment.treatments() {
                rows.push(row(
                    choice,
                    (segment, variant),
                    (outcomes, beside),
                    (&control, &group(variant)),
                    &analysis,
                ));
            }
        }
        rows
    }

    fn analysis(&self, choice: &MetricChoice, metric: &Metric) -> Analysis {
        let statistics = &self.experiment.statistics;
        let taken = self.taken.map(|taken| &taken.design);
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
        let alternative = if choice.margin.is_some() {
            Alternative::TwoSided
        } else {
            direction.alternative(metric.direction)
        };
        Analysis { better: metric.direction, alternative, alpha: statistics.alpha, method }
    }
}

/// What is shown of a metric beside its effect.
#[derive(Debug, Default)]
pub(crate) struct Beside<'a> {
    /// Its values before they were capped.
    pub(crate) uncapped: Option<Outcomes<'a>>,
    /// How many steps of a funnel each unit passed, and how many there are.
    pub(crate) reached: Option<(&'a [u8], usize)>,
}

fn row(
    choice: &MetricChoice,
    (segment, variant): (&str, &str),
    (outcomes, beside): (&Outcomes<'_>, &Beside<'_>),
    (control, treatment): (&Group, &Group),
    analysis: &Analysis,
) -> Measured {
    let arms = outcomes.arms(control, treatment);
    let effects = analysis.effects(&arms, analysis.alpha);
    let is_adjusted = !arms.basis.cuped_thetas.is_empty() || arms.basis.strata.is_some();
    // Of clusters it would be the variance of a cluster.
    let variance = |arm: &Arm| variance(arm).filter(|_| arms.basis.clusters.is_none());
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
        uncapped: beside
            .uncapped
            .as_ref()
            .map(|outcomes| uncapped(&outcomes.arms(control, treatment), analysis)),
        steps: beside
            .reached
            .map(|reached| steps(reached, &outcomes.units(control), &outcomes.units(treatment)))
            .unwrap_or_default(),
        alternative: match analysis.alternative {
            Alternative::TwoSided => None,
            Alternative::Greater => Some("greater".to_owned()),
            Alternative::Less => Some("less".to_owned()),
        },
        non_inferiority: choice.margin.map(|margin| analysis.non_inferiority(&arms, margin)),
        conclusion: None,
    };
    Measured { row, arms, analysis: analysis.clone() }
}

/// The mean as observed, before anything was taken out of it.
fn mean(arm: &Arm) -> Option<f64> {
    (arm.n > 0 && arm.baseline.mean.is_finite()).then_some(arm.baseline.mean)
}

/// The variance of a unit as observed; 0 where all are alike.
fn variance(arm: &Arm) -> Option<f64> {
    matches!(arm.variance, Ok(_) | Err(Lack::NoVariance)).then_some(arm.baseline.variance)
}

fn uncapped(arms: &Arms, analysis: &Analysis) -> Uncapped {
    let Effects { absolute, relative } = analysis.effects(arms, analysis.alpha);
    Uncapped { mean: mean(&arms.treatment), control_mean: mean(&arms.control), absolute, relative }
}

/// The shares of units that passed each step.
#[expect(clippy::cast_precision_loss, reason = "counts of units")]
fn steps((reached, steps): (&[u8], usize), control: &[usize], treatment: &[usize]) -> Vec<StepShares> {
    let share = |units: &[usize], step: usize| {
        let passed = units.iter().filter(|&&unit| usize::from(reached[unit]) >= step).count();
        (!units.is_empty()).then(|| passed as f64 / units.len() as f64)
    };
    let of = |step| StepShares { step, share: share(treatment, step), control_share: share(control, step) };
    (1..=steps).map(of).collect()
}
