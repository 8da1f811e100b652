//! Series: every estimate by day, of the day's new units and of all units up to it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tranche_scorecard::{Effect, Series, SeriesPoint, SeriesSpan};

use super::arms::{Arms, Outcomes};
use super::estimates::Compared;
use crate::calendar::{Day, Days};
use crate::definition::{Experiment, Method, VariantIndex};
use crate::units::cells::{Cells, Group};
use crate::units::exposed::Exposed;

/// How the series of an experiment are to be read, without points.
pub(crate) fn empty(method: &Method) -> Series {
    let (valid_at_every_day, note) = match method {
        Method::Fixed => (
            false,
            "fixed-horizon intervals: each holds for one look that was planned beforehand, and not for stopping on the first \
             day that excludes zero",
        ),
        Method::Sequential { .. } | Method::Mixture { .. } => (
            true,
            "the intervals of a line hold on all days simultaneously: the experiment may be monitored and stopped on any day",
        ),
        Method::GroupSequential(_) => (
            false,
            "intervals have the critical value of the look that was taken: they hold at the planned looks, and not for \
             stopping on a day between them",
        ),
        Method::Bayes { .. } => (
            false,
            "credible intervals: each is the posterior of its day, given the prior; the false-alarm rate of stopping on the \
             first day that excludes zero is not bounded",
        ),
    };
    Series {
        inference: method.name().to_owned(),
        valid_at_every_day,
        note: note.to_owned(),
        points: Vec::new(),
    }
}

/// The units of each day and variant.
#[derive(Debug)]
pub(crate) struct Cohorts {
    days: Vec<Day>,
    variants: usize,
    /// A cell for each day and variant, and one for units of no day.
    cells: Cells,
    /// The units of each cell.
    sizes: Vec<u64>,
}

impl Cohorts {
    /// The units that were first exposed before `until`, by day.
    pub(crate) fn of(experiment: &Experiment, units: &Exposed, until: Timestamp) -> Self {
        let first = units.at.iter().copied().zip(units.variants.iter().copied());
        Self::new(
            experiment.variants.len(),
            (experiment.from, experiment.to.min(until)),
            &experiment.zone,
            first,
        )
    }

    /// Units with the instant of their exposure and the place of their variant, within [from, until).
    fn new(
        variants: usize,
        period: (Timestamp, Timestamp),
        zone: &TimeZone,
        units: impl Iterator<Item = (Timestamp, VariantIndex)>,
    ) -> Self {
        let calendar = Days::within(period, zone);
        let days: Vec<Day> = calendar.iter().collect();
        let nowhere = days.len() * variants;
        let mut sizes = vec![0; nowhere + 1];
        let mut of_unit = Vec::new();
        for (at, variant) in units {
            let cell = calendar.place(at).map_or(nowhere, |day| day * variants + variant.0);
            sizes[cell] += 1;
            of_unit.push(u32::try_from(cell).unwrap_or(u32::MAX));
        }
        Self { days, variants, cells: Cells::given(of_unit, nowhere + 1), sizes }
    }

    /// A cell for each day and variant, and one for units of no day.
    pub(crate) fn cells(&self) -> &Cells {
        &self.cells
    }

    /// The points of one comparison, from outcomes over these [`cells`](Self::cells); `places` are those of
    /// control and of the treatment among the variants. A day without an exposure has no point of its
    /// own, and there is none before the first unit.
    pub(crate) fn points(
        &self,
        compared: &Compared,
        outcomes: &Outcomes<'_>,
        places: (VariantIndex, VariantIndex),
    ) -> Vec<SeriesPoint> {
        let (mut control, mut treatment): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut points = Vec::new();
        let mut has_units = false;
        for (place, day) in self.days.iter().enumerate() {
            let cell = |variant: VariantIndex| place * self.variants + variant.0;
            let (new_control, new_treatment) = (cell(places.0), cell(places.1));
            let number = |cell: usize| u32::try_from(cell).unwrap_or(u32::MAX);
            let is_new = self.sizes[new_control] + self.sizes[new_treatment] > 0;
            has_units |= is_new;
            control.push(number(new_control));
            treatment.push(number(new_treatment));
            let own = (vec![number(new_control)], vec![number(new_treatment)]);
            let all = (control.clone(), treatment.clone());
            for (is_shown, (control, treatment), span) in
                [(is_new, own, SeriesSpan::Daily), (has_units, all, SeriesSpan::Cumulative)]
            {
                if is_shown {
                    let arms = outcomes.arms(&Group::of(control), &Group::of(treatment));
                    points.push(point(compared, &arms, *day, span));
                }
            }
        }
        points
    }
}

fn point(compared: &Compared, arms: &Arms, day: Day, span: SeriesSpan) -> SeriesPoint {
    let effects = compared.analysis.effects(arms, compared.analysis.alpha);
    let mean =
        |arm: &tranche_stats::Arm| (arm.n > 0 && arm.baseline.mean.is_finite()).then_some(arm.baseline.mean);
    SeriesPoint {
        metric: compared.row.metric.clone(),
        role: compared.row.role,
        variant: compared.row.variant.clone(),
        day: day.date,
        span,
        n: arms.treatment.n,
        mean: mean(&arms.treatment),
        control_n: arms.control.n,
        control_mean: mean(&arms.control),
        absolute: effects.absolute.effect().map(Effect::plain),
        relative: effects.relative.effect().map(Effect::plain),
    }
}

#[cfg(test)]
#[path = "series_tests.rs"]
mod tests;
