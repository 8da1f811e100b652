//! What each draw is asked: every metric by every inference, at its looks.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use tranche_metric::{Direction as Better, Metric, Values};
use tranche_stats::{
    Alternative, Arm, BayesOptions, Direction, GroupSequential, Inference, Options, Prior, Spending, believe, compare,
};

use super::columns::{Columns, as_number};
use super::members::Members;
use super::sums::Sums;
use crate::arms::Outcomes;
use crate::experiment::{Experiment, MetricChoice};
use crate::looks::{Design, PlannedLooks};
use crate::statistics::{DEFAULT_TUNING, Method};

/// The lift that is put into the treatment to see whether intervals of lifts hold it.
pub(super) const LIFT: f64 = 0.1;
/// Looks of the inferences that may look at any time.
const EVEN_LOOKS: u32 = 10;
/// Looks of a group-sequential plan, if the experiment has none of its own.
const PLANNED_LOOKS: u32 = 5;

/// An inference that is validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InferenceKind {
    /// One look.
    Fixed,
    /// A confidence sequence, looked at ten times.
    Sequential,
    /// A mixture sequential probability ratio test, looked at ten times.
    Mixture,
    /// Planned looks: those of the experiment, or five.
    GroupSequential,
    /// A posterior: with the experiment's prior, or a flat one.
    Bayes,
}

/// How a share of draws shall stand to what is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    AtMost,
    /// Nothing is promised.
    Free,
}

/// What is asked of a metric by one inference.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) kind: InferenceKind,
    /// How often there is an alarm, against alpha.
    pub(super) relation: Relation,
    /// Whether intervals of lifts are promised to cover.
    pub(super) covers: bool,
    /// The share of units at each look, and what is asked there.
    looks: Vec<(f64, Question)>,
    /// The same with the looks' places in [`Trials::looks`].
    places: Vec<usize>,
}

#[derive(Debug)]
enum Question {
    Test(Options),
    Belief(BayesOptions),
}

/// What two arms say at a look: whether there is an alarm, and whether the lift's interval misses the lift that was put in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    pub(super) alarm: Option<bool>,
    pub(super) miss: Option<bool>,
}

/// Control and a treatment.
pub(super) type ArmPair = (Arm, Arm);

/// Where the arms of a metric come from.
#[derive(Debug)]
pub(super) enum Data<'a> {
    Sums(Columns),
    Members(Members<'a>),
}

/// A metric, and what is asked of it.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) metric: &'a str,
    pub(super) data: Data<'a>,
    pub(super) asks: Vec<Ask>,
    /// The lift that was put in, of a mean that is not 0.
    lift: f64,
    /// Where its sums begin among those of an arm.
    first: usize,
}

/// One of the draws of a batch.
#[derive(Clone, Copy)]
pub(super) struct Draw<'a> {
    pub(super) sums: &'a Sums,
    /// Its place in the batch.
    pub(super) place: usize,
    /// The variant of each row.
    pub(super) variants: &'a [u16],
}

/// All that is asked of a draw.
#[derive(Debug)]
pub(super) struct Trials<'a> {
    pub(super) shares: Vec<f64>,
    pub(super) control: usize,
    pub(super) alpha: f64,
    pub(super) subjects: Vec<Subject<'a>>,
    /// The rows before each look that anything is asked at, rising; the last are all.
    pub(super) looks: Vec<usize>,
    /// The looks at which the split is checked.
    pub(super) even: Vec<usize>,
}

impl InferenceKind {
    /// Every inference.
    pub const ALL: [Self; 5] = [Self::Fixed, Self::Sequential, Self::Mixture, Self::GroupSequential, Self::Bayes];

    /// Its name, as a definition writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Sequential => "sequential",
            Self::Mixture => "mixture",
            Self::GroupSequential => "group_sequential",
            Self::Bayes => "bayes",
        }
    }
}

impl fmt::Display for InferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for InferenceKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| format!("an inference is one of {}", known()))
    }
}

impl<'a> Subject<'a> {
    /// A metric as an experiment asks of it, its units in this order; `wanted` are the inferences, all when empty.
    pub(super) fn of(
        experiment: &Experiment,
        (choice, metric): (&'a MetricChoice, &Metric),
        outcomes: Outcomes<'a>,
        order: &[usize],
        wanted: &[InferenceKind],
    ) -> Self {
        match Columns::of(&outcomes, order) {
            Some(columns) => Self::new(experiment, choice, metric, Data::Sums(columns), wanted),
            None => {
                let members = Data::Members(Members::new(outcomes, order));
                let mut subject = Self::new(experiment, choice, metric, members, wanted);
                // All events of a unit are put in order at every look: too much for many of them.
                subject.asks.retain(|ask| !matches!(outcomes.after, Values::EventQuantile(..)) || ask.count() == 1);
                subject
            }
        }
    }

    pub(super) fn new(
        experiment: &Experiment,
        choice: &'a MetricChoice,
        metric: &Metric,
        data: Data<'a>,
        wanted: &[InferenceKind],
    ) -> Self {
        let direction = choice.direction.unwrap_or(experiment.statistics.direction);
        let alternative = if choice.margin.is_some() { Alternative::TwoSided } else { direction.alternative(metric.direction) };
        let whole = match &data {
            Data::Sums(columns) => columns.whole(),
            Data::Members(members) => Some(members.whole()),
        };
        let asking = Asking { experiment, metric, alternative, whole };
        let kinds = InferenceKind::ALL.into_iter().filter(|kind| wanted.is_empty() || wanted.contains(kind));
        let asks = kinds.filter_map(|kind| asking.by(kind)).collect();
        Self { metric: &choice.metric.value, data, asks, lift: LIFT * whole.map_or(0.0, |arm| arm.mean).signum(), first: 0 }
    }

    pub(super) fn columns(&self) -> Option<&Columns> {
        match &self.data {
            Data::Sums(columns) => Some(columns),
            Data::Members(_) => None,
        }
    }

    /// Control with a treatment at a look, as they are and with the lift put into the treatment.
    pub(super) fn arms(&self, trials: &Trials<'_>, draw: Draw<'_>, look: usize, treatment: usize) -> Option<[ArmPair; 2]> {
        match &self.data {
            Data::Sums(columns) => {
                let moments = |variant: usize| {
                    let arm = draw.sums.arm(draw.place, look, variant);
                    columns.moments(&arm[self.first..self.first + columns.sums()])
                };
                columns.arms(&moments(trials.control), &moments(treatment))
            }
            Data::Members(members) => Some(members.arms(draw.variants, trials.looks[look], trials.control, treatment)),
        }
    }

    /// The places of the looks at which anything is asked.
    pub(super) fn looks(&self) -> BTreeSet<usize> {
        self.asks.iter().flat_map(|ask| ask.places.iter().copied()).collect()
    }
}

impl Ask {
    /// What the arms say at each of its looks; `arms` gives those of a look by its place.
    pub(super) fn said(&self, subject: &Subject<'_>, arms: impl Fn(usize) -> Option<[ArmPair; 2]>) -> Said {
        let mut said = Said::default();
        for ((_, question), place) in self.looks.iter().zip(&self.places) {
            let now = arms(*place).map_or_else(Said::default, |[plain, lifted]| question.said(&plain, &lifted, subject.lift));
            // Once is for ever; whether there is an answer at all is told by the last look.
            said.alarm = now.alarm.map(|alarm| alarm || said.alarm == Some(true));
            said.miss = now.miss.map(|miss| miss || said.miss == Some(true));
        }
        said
    }

    pub(super) fn count(&self) -> usize {
        self.looks.len()
    }
}

impl Question {
    fn said(&self, plain: &ArmPair, lifted: &ArmPair, lift: f64) -> Said {
        match self {
            Self::Test(options) => {
                let absolute = compare(&plain.0, &plain.1, options).absolute.value();
                let relative = compare(&lifted.0, &lifted.1, options).relative.value();
                Said {
                    alarm: absolute.map(|estimate| !estimate.interval.contains(0.0)),
                    miss: relative.map(|estimate| !estimate.interval.contains(lift)),
                }
            }
            Self::Belief(options) => {
                let outside = |[low, high]: [f64; 2], value: f64| value < low || high < value;
                let absolute = believe(&plain.0, &plain.1, options).absolute.value();
                let relative = believe(&lifted.0, &lifted.1, options).relative.value();
                Said {
                    alarm: absolute.map(|posterior| outside(posterior.interval, 0.0)),
                    miss: relative.map(|posterior| outside(posterior.interval, lift)),
                }
            }
        }
    }
}

/// What the questions of one metric are made from.
struct Asking<'a> {
    experiment: &'a Experiment,
    metric: &'a Metric,
    alternative: Alternative,
    /// The arm of all units, covariates taken out.
    whole: Option<Arm>,
}

impl Asking<'_> {
    fn by(&self, kind: InferenceKind) -> Option<Ask> {
        let method = &self.experiment.statistics.method;
        let even = || (1..=EVEN_LOOKS).map(|look| f64::from(look) / f64::from(EVEN_LOOKS));
        let at_any = |inference: Inference| even().map(|share| (share, self.test(inference.clone()))).collect();
        let ask = |relation, covers, looks| Some(Ask { kind, relation, covers, looks, places: Vec::new() });
        match kind {
            InferenceKind::Fixed => ask(Relation::Equal, true, vec![(1.0, self.test(Inference::Fixed))]),
            InferenceKind::Sequential => {
                let tuning = if let Method::Sequential { tuning } = method { *tuning } else { DEFAULT_TUNING };
                ask(Relation::AtMost, true, at_any(Inference::Sequential { tuning }))
            }
            InferenceKind::Mixture => {
                let scale = if let Method::Mixture { scale } = method { scale.of(&self.metric.name) } else { self.error() };
                ask(Relation::AtMost, true, at_any(Inference::Mixture { scale }))
            }
            InferenceKind::GroupSequential => {
                let plan = planned(method);
                let looks = plan.looks(self.experiment.statistics.alpha, self.alternative).value()?;
                // Where a look spends next to nothing there is no boundary.
                let finite = looks.into_iter().filter(|look| look.critical.is_finite());
                let asked = finite.map(|look| (look.fraction, self.test(Inference::Boundary { critical: look.critical })));
                ask(Relation::Equal, true, asked.collect())
            }
            InferenceKind::Bayes => {
                let prior = if let Method::Bayes { prior } = method { *prior } else { Prior::Flat };
                let relation = match prior {
                    Prior::Flat => Relation::Equal,
                    // It draws towards no effect.
                    Prior::Normal { mean: 0.0, .. } | Prior::NormalAbsolute { mean: 0.0, .. } => Relation::AtMost,
                    _ => Relation::Free,
                };
                let direction = match self.metric.direction {
                    Better::Increase => Direction::HigherIsBetter,
                    Better::Decrease => Direction::LowerIsBetter,
                };
                let options = BayesOptions { alpha: self.experiment.statistics.alpha, prior, direction };
                ask(relation, prior == Prior::Flat, vec![(1.0, Question::Belief(options))])
            }
        }
    }

    fn test(&self, inference: Inference) -> Question {
        let statistics = &self.experiment.statistics;
        let (alpha, relative, alternative) = (statistics.alpha, statistics.relative, self.alternative);
        Question::Test(Options { alpha, inference, relative, alternative, margin: None })
    }

    /// The standard error of a difference of two halves: a mixture is then about as wide as what may be seen.
    fn error(&self) -> f64 {
        let Some(Arm { n, variance: Ok(variance), .. }) = self.whole else { return 0.0 };
        (4.0 * variance / as_number(n)).sqrt()
    }
}

/// The looks of the experiment's own plan, as shares of its units; or some.
fn planned(method: &Method) -> GroupSequential {
    match method {
        Method::GroupSequential(Design { spending, looks: PlannedLooks::Fractions { fractions, .. } }) => {
            GroupSequential { spending: *spending, fractions: fractions.clone(), is_final: true }
        }
        Method::GroupSequential(design) => {
            GroupSequential::evenly(design.spending, u32::try_from(design.planned()).unwrap_or(PLANNED_LOOKS))
        }
        _ => GroupSequential::evenly(Spending::OBrienFleming, PLANNED_LOOKS),
    }
}

impl<'a> Trials<'a> {
    /// What is asked of so many rows.
    pub(super) fn new(experiment: &Experiment, mut subjects: Vec<Subject<'a>>, rows: usize) -> Self {
        let even: Vec<f64> = (1..=EVEN_LOOKS).map(|look| f64::from(look) / f64::from(EVEN_LOOKS)).collect();
        let asked = subjects.iter().flat_map(|subject| &subject.asks).flat_map(|ask| ask.looks.iter().map(|(share, _)| *share));
        let looks: BTreeSet<usize> = asked.chain(even.iter().copied()).chain([1.0]).map(|share| rows_at(share, rows)).collect();
        let looks: Vec<usize> = looks.into_iter().collect();
        let place = |share: f64| looks.partition_point(|look| *look < rows_at(share, rows));
        for ask in subjects.iter_mut().flat_map(|subject| &mut subject.asks) {
            ask.places = ask.looks.iter().map(|(share, _)| place(*share)).collect();
        }
        let mut first = 1;
        for subject in &mut subjects {
            subject.first = first;
            first += subject.columns().map_or(0, Columns::sums);
        }
        Self {
            shares: experiment.variants.values().copied().collect(),
            control: experiment.variants.get_index_of(&experiment.control).unwrap_or(0),
            alpha: experiment.statistics.alpha,
            even: even.into_iter().map(place).collect(),
            subjects,
            looks,
        }
    }

    /// The places of the variants that are compared with control.
    pub(super) fn treatments(&self) -> impl Iterator<Item = usize> {
        (0..self.shares.len()).filter(|variant| *variant != self.control)
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of units")]
fn rows_at(share: f64, rows: usize) -> usize {
    ((share * rows as f64 - 1e-9).ceil() as usize).clamp(1, rows.max(1))
}
