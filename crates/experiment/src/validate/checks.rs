//! The check of a metric by one inference, and its outcome at each look.

use tranche_metric::{Direction as Better, Metric};
use tranche_stats::{
    Alternative, Arm, BayesOptions, Direction, GroupSequential, Inference, Options, Prior, Spending, compare,
    posterior,
};

use super::inference_kind::InferenceKind;
use super::lift::ArmPair;
use crate::definition::statistics::DEFAULT_TUNING;
use crate::definition::{Design, Experiment, Method, PlannedLooks};

/// Looks of the inferences that may look at any time.
pub(super) const EVEN_LOOKS: u32 = 10;
/// Looks of a group-sequential plan, if the experiment has none of its own.
const PLANNED_LOOKS: u32 = 5;

/// The relation of a share of draws to the promised one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    AtMost,
    /// Nothing is promised.
    Free,
}

/// The checks of a metric by one inference.
#[derive(Debug)]
pub(super) struct CheckSpec {
    pub(super) kind: InferenceKind,
    /// How often there is an alarm, against alpha.
    pub(super) relation: Relation,
    /// Whether intervals of lifts are promised to cover.
    pub(super) covers: bool,
    /// The share of units at each look, and the procedure that is used there.
    pub(super) looks: Vec<(f64, Procedure)>,
    /// The same with the looks' places in [`Trials::looks`].
    pub(super) places: Vec<usize>,
}

/// By what two arms are compared.
#[derive(Debug)]
pub(super) enum Procedure {
    Test(Options),
    Posterior(BayesOptions),
}

/// What two arms show at a look: whether there is an alarm, and whether the lift's interval misses the lift
/// that was put in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CheckOutcome {
    pub(super) alarm: Option<bool>,
    pub(super) miss: Option<bool>,
}

impl CheckSpec {
    /// What the arms show at its looks; `arms` gives those of a look by its place.
    pub(super) fn outcome(&self, lift: f64, arms: impl Fn(usize) -> Option<[ArmPair; 2]>) -> CheckOutcome {
        let mut outcome = CheckOutcome::default();
        for ((_, procedure), place) in self.looks.iter().zip(&self.places) {
            let now = arms(*place).map_or_else(CheckOutcome::default, |[plain, lifted]| {
                procedure.outcome(&plain, &lifted, lift)
            });
            // Once is for ever; the last look decides whether there is an answer at all.
            outcome.alarm = now.alarm.map(|alarm| alarm || outcome.alarm == Some(true));
            outcome.miss = now.miss.map(|miss| miss || outcome.miss == Some(true));
        }
        outcome
    }

    pub(super) fn count(&self) -> usize {
        self.looks.len()
    }
}

impl Procedure {
    fn outcome(&self, plain: &ArmPair, lifted: &ArmPair, lift: f64) -> CheckOutcome {
        match self {
            Self::Test(options) => {
                let absolute = compare(&plain.0, &plain.1, options).absolute.value();
                let relative = compare(&lifted.0, &lifted.1, options).relative.value();
                CheckOutcome {
                    alarm: absolute.map(|estimate| !estimate.interval.contains(0.0)),
                    miss: relative.map(|estimate| !estimate.interval.contains(lift)),
                }
            }
            Self::Posterior(options) => {
                let outside = |[low, high]: [f64; 2], value: f64| value < low || high < value;
                let absolute = posterior(&plain.0, &plain.1, options).absolute.value();
                let relative = posterior(&lifted.0, &lifted.1, options).relative.value();
                CheckOutcome {
                    alarm: absolute.map(|posterior| outside(posterior.interval, 0.0)),
                    miss: relative.map(|posterior| outside(posterior.interval, lift)),
                }
            }
        }
    }
}

/// What the checks of one metric are made from.
pub(super) struct CheckDesign<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) metric: &'a Metric,
    pub(super) alternative: Alternative,
    /// The arm of all units, covariates taken out.
    pub(super) whole: Option<Arm>,
}

impl CheckDesign<'_> {
    /// The check of an inference; none where it has no boundary at this alpha.
    pub(super) fn by(&self, kind: InferenceKind) -> Option<CheckSpec> {
        let method = &self.experiment.statistics.method;
        let even = || (1..=EVEN_LOOKS).map(|look| f64::from(look) / f64::from(EVEN_LOOKS));
        let at_any =
            |inference: Inference| even().map(|share| (share, self.test(inference.clone()))).collect();
        let check =
            |relation, covers, looks| Some(CheckSpec { kind, relation, covers, looks, places: Vec::new() });
        match kind {
            InferenceKind::Fixed => check(Relation::Equal, true, vec![(1.0, self.test(Inference::Fixed))]),
            InferenceKind::Sequential => {
                let tuning =
                    if let Method::Sequential { tuning } = method { *tuning } else { DEFAULT_TUNING };
                check(Relation::AtMost, true, at_any(Inference::Sequential { tuning }))
            }
            InferenceKind::Mixture => {
                let scale = if let Method::Mixture { scale } = method {
                    scale.of(&self.metric.name)
                } else {
                    // About as wide as what may be seen.
                    self.whole.and_then(|arm| arm.error_between_halves()).unwrap_or(0.0)
                };
                check(Relation::AtMost, true, at_any(Inference::Mixture { scale }))
            }
            InferenceKind::GroupSequential => {
                let plan = planned(method);
                let looks = plan.looks(self.experiment.statistics.alpha, self.alternative).value()?;
                // Where a look spends next to nothing there is no boundary.
                let finite = looks.into_iter().filter(|look| look.critical.is_finite());
                let tests = finite
                    .map(|look| (look.fraction, self.test(Inference::Boundary { critical: look.critical })));
                check(Relation::Equal, true, tests.collect())
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
                check(relation, prior == Prior::Flat, vec![(1.0, Procedure::Posterior(options))])
            }
        }
    }

    fn test(&self, inference: Inference) -> Procedure {
        let statistics = &self.experiment.statistics;
        let (alpha, relative, alternative) = (statistics.alpha, statistics.relative, self.alternative);
        Procedure::Test(Options { alpha, inference, relative, alternative, margin: None })
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
