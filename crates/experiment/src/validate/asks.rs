//! What a metric is asked by an inference, and what two arms answer.

use std::fmt;
use std::str::FromStr;

use tranche_metric::{Direction as Better, Metric};
use tranche_stats::{
    Alternative, Arm, BayesOptions, Direction, GroupSequential, Inference, Options, Prior, Spending, believe,
    compare,
};

use super::columns::as_number;
use crate::experiment::Experiment;
use crate::looks::{Design, PlannedLooks};
use crate::statistics::{DEFAULT_TUNING, Method};

/// The lift that is put into the treatment to see whether intervals of lifts hold it.
pub(super) const LIFT: f64 = 0.1;
/// Looks of the inferences that may look at any time.
pub(super) const EVEN_LOOKS: u32 = 10;
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
    pub(super) looks: Vec<(f64, Question)>,
    /// The same with the looks' places in [`Trials::looks`].
    pub(super) places: Vec<usize>,
}

/// What two arms are asked.
#[derive(Debug)]
pub(super) enum Question {
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

impl InferenceKind {
    /// Every inference.
    pub const ALL: [Self; 5] =
        [Self::Fixed, Self::Sequential, Self::Mixture, Self::GroupSequential, Self::Bayes];

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
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("an inference is one of {}", known()))
    }
}

impl Ask {
    /// What the arms say at each of its looks; `arms` gives those of a look by its place.
    pub(super) fn said(&self, lift: f64, arms: impl Fn(usize) -> Option<[ArmPair; 2]>) -> Said {
        let mut said = Said::default();
        for ((_, question), place) in self.looks.iter().zip(&self.places) {
            let now = arms(*place)
                .map_or_else(Said::default, |[plain, lifted]| question.said(&plain, &lifted, lift));
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
pub(super) struct Asking<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) metric: &'a Metric,
    pub(super) alternative: Alternative,
    /// The arm of all units, covariates taken out.
    pub(super) whole: Option<Arm>,
}

impl Asking<'_> {
    /// What an inference asks; nothing where it has no boundary at this alpha.
    pub(super) fn by(&self, kind: InferenceKind) -> Option<Ask> {
        let method = &self.experiment.statistics.method;
        let even = || (1..=EVEN_LOOKS).map(|look| f64::from(look) / f64::from(EVEN_LOOKS));
        let at_any =
            |inference: Inference| even().map(|share| (share, self.test(inference.clone()))).collect();
        let ask = |relation, covers, looks| Some(Ask { kind, relation, covers, looks, places: Vec::new() });
        match kind {
            InferenceKind::Fixed => ask(Relation::Equal, true, vec![(1.0, self.test(Inference::Fixed))]),
            InferenceKind::Sequential => {
                let tuning =
                    if let Method::Sequential { tuning } = method { *tuning } else { DEFAULT_TUNING };
                ask(Relation::AtMost, true, at_any(Inference::Sequential { tuning }))
            }
            InferenceKind::Mixture => {
                let scale = if let Method::Mixture { scale } = method {
                    scale.of(&self.metric.name)
                } else {
                    self.error()
                };
                ask(Relation::AtMost, true, at_any(Inference::Mixture { scale }))
            }
            InferenceKind::GroupSequential => {
                let plan = planned(method);
                let looks = plan.looks(self.experiment.statistics.alpha, self.alternative).value()?;
                // Where a look spends next to nothing there is no boundary.
                let finite = looks.into_iter().filter(|look| look.critical.is_finite());
                let asked = finite
                    .map(|look| (look.fraction, self.test(Inference::Boundary { critical: look.critical })));
                ask(Relation::Equal, true, asked.collect())
            }
            InferenceKind::Bayes => {
                let prior = if let Method::Bayes { prior, .. } = method { *prior } else { Prior::Flat };
                let relation = match prior {
                    Prior::Flat => Relation::Equal,
                    // It draws towards no effect.
                    Prior::Normal { mean: 0.0, .. } | Prior::NormalAbsolute { mean: 0.0, .. } => {
                        Relation::AtMost
                    }
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
