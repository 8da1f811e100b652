//! Each treatment against control, by metric and segment.

use indexmap::IndexMap;
use tranche_metric::{Metric, MetricKind};
use tranche_stats::{Alternative, Arm, BayesOptions, Direction, ShareOptions};

use crate::arms::Outcomes;
use crate::experiment::{Experiment, MetricChoice};
use crate::exposure::Exposed;
use crate::family::Measured;
use crate::looks::TakenLook;
use crate::question::{Lens, Question};
use crate::result::EstimateRow;
use crate::statistics::Method;

/// What all comparisons are made from.
pub(crate) struct Comparing<'a> {
    pub(crate) experiment: &'a Experiment,
    pub(crate) units: &'a Exposed,
    pub(crate) segments: &'a IndexMap<String, Vec<usize>>,
    pub(crate) taken: Option<&'a TakenLook>,
}

impl Comparing<'_> {
    /// One row for each segment and treatment.
    pub(crate) fn rows(&self, choice: &MetricChoice, metric: &Metric, outcomes: &Outcomes<'_>) -> Vec<Measured> {
        let question = self.question(choice, metric);
        let mut rows = Vec::new();
        for (segment, members) in self.segments {
            let control = self.arm(members, &self.experiment.control);
            for variant in self.experiment.treatments() {
                rows.push(row(choice, segment, variant, outcomes, (&control, &self.arm(members, variant)), &question));
            }
        }
        rows
    }

    fn arm(&self, members: &[usize], variant: &str) -> Vec<usize> {
        let place = self.experiment.variants.get_index_of(variant);
        members.iter().copied().filter(|&unit| Some(self.units.variants[unit]) == place).collect()
    }

    fn question(&self, choice: &MetricChoice, metric: &Metric) -> Question {
        let statistics = &self.experiment.statistics;
        let taken = self.taken.map(|taken| &taken.design);
        let better = match metric.direction {
            tranche_metric::Direction::Increase => Direction::HigherIsBetter,
            tranche_metric::Direction::Decrease => Direction::LowerIsBetter,
        };
        let alpha = statistics.alpha;
        let lens = match (&statistics.method, statistics.method.inference(&metric.name, taken)) {
            (_, Some(inference)) => Lens::Test(inference, statistics.relative),
            (Method::Bayes { shares: Some(prior), .. }, None) if matches!(metric.kind, MetricKind::Proportion(_)) => {
                Lens::Shares(ShareOptions { alpha, prior: *prior, direction: better })
            }
            (Method::Bayes { prior, .. }, None) => Lens::Belief(BayesOptions { alpha, prior: *prior, direction: better }),
            (Method::GroupSequential(design), None) => {
                Lens::NotYet(format!("no planned look has been reached: the first is {}", design.first_look()))
            }
            (_, None) => Lens::NotYet("this inference has no test".to_owned()),
        };
        let direction = choice.direction.unwrap_or(statistics.direction);
        // A guardrail with a margin is tested against it on its own; its effect is shown with both bounds.
        let alternative = if choice.margin.is_some() { Alternative::TwoSided } else { direction.alternative(metric.direction) };
        Question { better: metric.direction, alternative, alpha: statistics.alpha, lens }
    }
}

fn row(
    choice: &MetricChoice,
    segment: &str,
    variant: &str,
    outcomes: &Outcomes<'_>,
    (control, treatment): (&[usize], &[usize]),
    question: &Question,
) -> Measured {
    let arms = outcomes.arms(control, treatment);
    let answer = question.answer(&arms, question.alpha);
    let mean = |arm: &Arm| (arm.n > 0 && arm.mean.is_finite()).then_some(arm.mean);
    let row = EstimateRow {
        metric: choice.metric.value.clone(),
        role: choice.role,
        segment: segment.to_owned(),
        variant: variant.to_owned(),
        n: treatment.len() as u64,
        mean: mean(&arms.treatment),
        control_n: control.len() as u64,
        control_mean: mean(&arms.control),
        absolute: answer.absolute,
        relative: answer.relative,
        basis: arms.basis.clone(),
        family: None,
        undefined: answer.undefined,
        alternative: match question.alternative {
            Alternative::TwoSided => None,
            Alternative::Greater => Some("greater".to_owned()),
            Alternative::Less => Some("less".to_owned()),
        },
        non_inferiority: choice.margin.map(|margin| question.non_inferiority(&arms, margin)),
        conclusion: None,
    };
    Measured { row, arms, question: question.clone() }
}
