//! A comparison for tests: two arms of one metric, better when it is more, by Welch's test at 5 %.

use tranche_metric::{Direction, Values};
use tranche_stats::{Alternative, Inference, RelativeMethod};

use crate::arms::Outcomes;
use crate::family::Measured;
use crate::question::{Lens, Question};
use crate::result::{EstimateRow, MetricRole};

/// Values per unit as outcomes without a covariate.
pub(crate) fn outcomes(values: &[f64]) -> Outcomes<'_> {
    Outcomes { after: Values::Single(values), before: None, counted: None }
}

/// The estimate of `b` against control, each given by the places of its units.
pub(crate) fn measured(outcomes: &Outcomes<'_>, control: &[usize], treatment: &[usize]) -> Measured {
    let lens = Lens::Test(Inference::Fixed, RelativeMethod::Fieller);
    let question = Question { better: Direction::Increase, alternative: Alternative::TwoSided, alpha: 0.05, lens };
    let arms = outcomes.arms(control, treatment);
    let answer = question.answer(&arms, question.alpha);
    let row = EstimateRow {
        metric: "revenue".to_owned(),
        role: MetricRole::Goal,
        segment: tranche_segment::EVERYONE.to_owned(),
        variant: "b".to_owned(),
        n: arms.treatment.n,
        mean: Some(arms.treatment.mean),
        variance: None,
        control_n: arms.control.n,
        control_mean: Some(arms.control.mean),
        control_variance: None,
        adjusted_mean: None,
        control_adjusted_mean: None,
        conclusion: question.conclusion(&arms, &answer.absolute),
        absolute: answer.absolute,
        relative: answer.relative,
        cuped_theta: None,
        uncapped: None,
        steps: Vec::new(),
        undefined: answer.undefined,
        alternative: None,
        non_inferiority: None,
    };
    Measured { row, arms, question }
}

/// Whether two numbers agree to nine digits.
pub(crate) fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs().max(1e-3)
}
