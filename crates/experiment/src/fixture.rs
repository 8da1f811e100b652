//! A comparison for tests: two arms of one metric, better when it is more, by Welch's test at 5 %.

use tranche_metric::{Direction, Values};
use tranche_scorecard::{EstimateRow, MetricRole, OutlierRow};
use tranche_segment::EVERYONE;
use tranche_stats::{Alternative, Inference, RelativeMethod};

use crate::estimate::analysis::{Analysis, Effects, InferenceMethod};
use crate::estimate::arms::{Adjustments, Outcomes};
use crate::estimate::estimates::Compared;
use crate::estimate::outliers::audit;
use crate::units::cells::{Cells, Group};

/// Units of control in cell 0, of the treatment in cell 1, and all others in cell 2.
pub(crate) fn cells(units: usize, control: &[usize], treatment: &[usize]) -> Cells {
    let cell =
        |unit: usize| if control.contains(&unit) { 0 } else { 1 + u32::from(!treatment.contains(&unit)) };
    Cells::given((0..units).map(cell).collect(), 3)
}

/// Control and the treatment among those cells.
pub(crate) fn groups() -> (Group, Group) {
    (Group::of(vec![0]), Group::of(vec![1]))
}

/// Values per unit as outcomes without a covariate.
pub(crate) fn outcomes<'a>(values: &'a [f64], cells: &'a Cells) -> Outcomes<'a> {
    Outcomes::new(Values::Single(values), Adjustments::default(), cells)
}

/// The estimate of `b` against control.
pub(crate) fn compared(outcomes: &Outcomes<'_>) -> Compared {
    let method = InferenceMethod::Test(Inference::Fixed, RelativeMethod::Fieller);
    let (better, alternative) = (Direction::Increase, Alternative::TwoSided);
    let analysis = Analysis { better, alternative, alpha: 0.05, method };
    let (control, treatment) = groups();
    let arms = outcomes.arms(&control, &treatment);
    let Effects { absolute, relative } = analysis.effects(&arms, analysis.alpha);
    let row = EstimateRow {
        n: arms.treatment.n,
        mean: Some(arms.treatment.mean),
        control_n: arms.control.n,
        control_mean: Some(arms.control.mean),
        conclusion: analysis.conclusion(&arms, &absolute),
        undefined: absolute.reason().map(str::to_owned),
        absolute,
        relative,
        ..EstimateRow::undefined("revenue", MetricRole::Goal, EVERYONE, "b", "")
    };
    Compared { row, arms, analysis }
}

/// The audit of twenty units an arm: 10 to 14 in control, 11 to 15 in the treatment, four of each; then
/// changed.
pub(crate) fn audited(change: impl Fn(&mut [f64])) -> OutlierRow {
    let mut values: Vec<f64> = (0..40u32).map(|unit| f64::from(10 + unit % 5 + unit / 20)).collect();
    change(&mut values);
    let (control, treatment): (Vec<usize>, Vec<usize>) = ((0..20).collect(), (20..40).collect());
    let (cells, (control, treatment)) = (cells(40, &control, &treatment), groups());
    let outcomes = outcomes(&values, &cells);
    audit(&compared(&outcomes), &outcomes, "a", (&control, &treatment)).unwrap()
}

/// Whether two numbers agree to nine digits.
pub(crate) fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs().max(1e-3)
}
