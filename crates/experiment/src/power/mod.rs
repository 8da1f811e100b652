//! Power: how many units and days an experiment needs, by the history of its entities.

mod design;
mod history;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tranche_metric::Direction;
use tranche_scorecard::MetricRole;
use tranche_stats::{Alternative, Margin, Plan, SampleSize};

use crate::context::MeasureContext;
use crate::counts::as_number;
use crate::definition::{Experiment, Method, MetricChoice};
use crate::error::ExperimentError;
use design::Needed;
use history::{History, MetricHistory};

/// Effects that are planned for unless others are asked for, as lifts.
const LIFTS: [f64; 5] = [0.01, 0.02, 0.05, 0.1, 0.2];
/// Durations whose detectable effect is shown, in days.
const DAYS: [u32; 4] = [7, 14, 28, 56];

/// The request for a power plan.
#[derive(Debug, Clone)]
pub struct PowerRequest {
    /// The chance to find an effect that is there, above alpha and below 1.
    pub power: f64,
    /// The sizes of effects to be found: in the metric's unit, or shares of the mean. Some lifts when empty.
    pub effects: Vec<Margin>,
    /// Units exposed per day, all variants together; those of the exposures before `as_of` when `None`.
    pub units_per_day: Option<f64>,
    /// The segment that units come from; everyone when `None`.
    pub segment: Option<String>,
}

/// The units and days that an experiment needs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PowerPlan {
    /// The experiment.
    pub experiment: String,
    /// The instant before which the history lies.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// The chance to find an effect that is there.
    pub power: f64,
    /// The chance of a false alarm.
    pub alpha: f64,
    /// The inference that is planned for.
    pub inference: String,
    /// The entities that the history is of, `all` or a segment.
    pub segment: String,
    /// How many of them there are.
    pub units: u64,
    /// Days of history: as long as a unit will be observed.
    pub observed_days: f64,
    /// Units exposed per day, all variants together, if known.
    pub units_per_day: Option<f64>,
    /// What each metric needs.
    pub metrics: Vec<MetricPower>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// The units and days that one metric needs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MetricPower {
    /// The metric.
    pub metric: String,
    /// Its role.
    pub role: MetricRole,
    /// The mean in the history.
    pub mean: f64,
    /// The variance of one unit, before any adjustment.
    pub variance: Option<f64>,
    /// The share of it that CUPED takes away; 0 without.
    pub variance_reduction: f64,
    /// Units for each size of effect; for a guardrail with a margin, those to show that there is no loss
    /// beyond it if there is no effect.
    pub sample_sizes: Vec<SampleSizeRow>,
    /// The least effect for each duration, if units per day are known.
    pub detectable: Vec<DetectableRow>,
    /// Why nothing can be planned, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undefined: Option<String>,
}

/// The units that an effect needs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SampleSizeRow {
    /// The effect, absolute, in the metric's unit.
    pub effect: f64,
    /// The same over the size of the mean, if that is not 0.
    pub lift: Option<f64>,
    /// Units in control.
    pub control: u64,
    /// Units in the smallest treatment.
    pub treatment: u64,
    /// Units in all variants together.
    pub total: u64,
    /// Days until so many are exposed and observed, if units per day are known.
    pub days: Option<u64>,
}

/// The effect that a duration can show.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DetectableRow {
    /// Days of exposures.
    pub days: u32,
    /// Units in all variants together by then.
    pub total: u64,
    /// The least effect that is found with the asked power, absolute: its size.
    pub effect: f64,
    /// The same over the size of the mean, if that is not 0.
    pub lift: Option<f64>,
}

/// Plans an experiment from what entities did in as long before the session's `as_of` as units will be
/// observed.
///
/// # Errors
/// [`ExperimentError`] with who is at fault.
pub async fn power(
    experiment: &Experiment,
    request: &PowerRequest,
    context: &MeasureContext<'_>,
) -> Result<PowerPlan, ExperimentError> {
    let history = History::read(experiment, request.segment.as_deref(), context).await?;
    let units_per_day = request.units_per_day.or(history.units_per_day);
    let mut notes = Vec::new();
    if units_per_day.is_none() {
        notes.push("no exposures in the 28 days before: give `--units-per-day` for durations".to_owned());
    }
    if experiment.statistics.adjust != tranche_stats::Adjustment::None {
        notes.push("adjustment for several comparisons is not included: they need more units".to_owned());
    }
    if experiment.cluster.is_some() {
        notes
            .push("units are planned as if they were randomised individually; clusters of similar units need more of them".to_owned());
    }
    if !experiment.statistics.strata.is_empty() {
        notes.push("the variance that strata explain is not deducted".to_owned());
    }
    if matches!(experiment.statistics.method, Method::Bayes { .. }) {
        notes.push("Bayesian inference is planned as one look with a flat prior".to_owned());
    }
    let planner = Planner { experiment, request, units_per_day, observed_days: history.observed_days };
    Ok(PowerPlan {
        experiment: experiment.name.clone(),
        as_of: context.session.as_of(),
        power: request.power,
        alpha: experiment.statistics.alpha,
        inference: experiment.statistics.method.name().to_owned(),
        segment: request.segment.clone().unwrap_or_else(|| tranche_segment::EVERYONE.to_owned()),
        units: history.units,
        observed_days: history.observed_days,
        units_per_day,
        metrics: history.metrics.iter().map(|(choice, found)| planner.metric(choice, found)).collect(),
        notes,
    })
}

/// What all metrics are planned with.
struct Planner<'a> {
    experiment: &'a Experiment,
    request: &'a PowerRequest,
    units_per_day: Option<f64>,
    observed_days: f64,
}

impl Planner<'_> {
    fn metric(&self, choice: &MetricChoice, found: &MetricHistory) -> MetricPower {
        let mut planned = MetricPower {
            metric: choice.metric.value.clone(),
            role: choice.role,
            mean: found.arm.mean,
            variance: found.arm.variance.ok(),
            variance_reduction: found.variance_reduction,
            sample_sizes: Vec::new(),
            detectable: Vec::new(),
            undefined: None,
        };
        let needed = match self.needed(choice, found) {
            Ok(needed) => needed,
            Err(reason) => return MetricPower { undefined: Some(reason), ..planned },
        };
        let baseline = found.arm.mean.abs();
        let lift = |effect: f64| (baseline > 0.0).then(|| effect / baseline);
        for effect in self.effects(choice, baseline) {
            let effect = if found.better == Direction::Decrease { -effect } else { effect };
            match needed.units(effect, self.request.power) {
                Ok(size) => planned.sample_sizes.push(self.row(effect, lift(effect), size)),
                Err(reason) => planned.undefined = Some(reason.to_string()),
            }
        }
        for (days, per_day) in DAYS.iter().zip(std::iter::repeat(self.units_per_day)) {
            let Some(total) = per_day.map(|per_day| per_day * f64::from(*days)) else { continue };
            if let Ok(effect) = needed.detectable(total * self.control_share(), self.request.power) {
                planned.detectable.push(DetectableRow {
                    days: *days,
                    total: whole(total),
                    effect,
                    lift: lift(effect),
                });
            }
        }
        planned
    }

    fn needed(&self, choice: &MetricChoice, found: &MetricHistory) -> Result<Needed, String> {
        let statistics = &self.experiment.statistics;
        let variance = found.arm.variance.map_err(|reason| format!("the history {reason}"))?;
        let margin = match choice.margin {
            None => None,
            Some(Margin::Absolute(size)) => Some(size),
            Some(Margin::Relative(share)) => Some(share * found.arm.mean.abs()),
        };
        let alternative = match (margin, found.better) {
            (None, better) => choice.direction.unwrap_or(statistics.direction).alternative(better),
            (Some(_), Direction::Increase) => Alternative::Greater,
            (Some(_), Direction::Decrease) => Alternative::Less,
        };
        let plan = Plan {
            alpha: statistics.alpha,
            alternative,
            ratio: self.smallest_share() / self.control_share(),
            control_variance: variance,
            treatment_variance: variance,
            variance_reduction: found.variance_reduction,
            margin: margin.unwrap_or(0.0),
            inflation: 1.0,
        };
        Ok(Needed { plan, method: statistics.method.clone(), metric: choice.metric.value.clone() })
    }

    /// Sizes of effects, positive and in the metric's unit.
    fn effects(&self, choice: &MetricChoice, baseline: f64) -> Vec<f64> {
        if choice.margin.is_some() {
            return vec![0.0];
        }
        if self.request.effects.is_empty() {
            return LIFTS.iter().map(|lift| lift * baseline).filter(|effect| *effect > 0.0).collect();
        }
        let size = |effect: &Margin| match effect {
            Margin::Absolute(size) => *size,
            Margin::Relative(share) => share * baseline,
        };
        self.request.effects.iter().map(size).collect()
    }

    fn row(&self, effect: f64, lift: Option<f64>, size: SampleSize) -> SampleSizeRow {
        let total = as_number(size.control) / self.control_share();
        let days = self
            .units_per_day
            .filter(|per_day| *per_day > 0.0)
            .map(|per_day| total / per_day + self.observed_days);
        SampleSizeRow {
            effect,
            lift,
            control: size.control,
            treatment: size.treatment,
            total: whole(total),
            days: days.map(whole),
        }
    }

    fn control_share(&self) -> f64 {
        self.experiment.variants.get(&self.experiment.control).copied().unwrap_or(0.5)
    }

    fn smallest_share(&self) -> f64 {
        let shares = self.experiment.treatments().filter_map(|variant| self.experiment.variants.get(variant));
        shares.copied().fold(f64::INFINITY, f64::min)
    }
}

/// Rounded up, but for rounding errors.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of units and days")]
fn whole(value: f64) -> u64 {
    (value - 1e-6).ceil().max(0.0) as u64
}
