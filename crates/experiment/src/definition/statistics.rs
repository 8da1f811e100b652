//! Estimation and inference, as `statistics:` declares them.

use std::time::Duration;

use indexmap::IndexMap;
use tranche_metric::{Direction, Metric, MetricKind};
use tranche_project::Spanned;
use tranche_stats::{
    Adjustment, Alternative, BetaPrior, GroupSequential, Inference, Prior, RelativeMethod, VarianceMethod,
};

use super::families::DeclaredFamily;
use super::looks::Design;
use super::spec::AlternativeSpec;

/// The number of units at which a sequential interval is narrowest, unless its author says otherwise.
pub(crate) const DEFAULT_TUNING: f64 = 5_000.0;

/// How effects are estimated.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// The chance of a false alarm, in (0, 1); intervals cover 1 - alpha.
    pub alpha: f64,
    /// How often the result may be looked at, and what an interval means.
    pub method: Method,
    /// Where relative intervals come from.
    pub relative: RelativeMethod,
    /// The direction of tests.
    pub direction: TestDirection,
    /// The covariates, if any are taken out.
    pub cuped: Option<Cuped>,
    /// The segments and sets that units are weighed by, as written.
    pub strata: Vec<Spanned<String>>,
    /// Where variances come from, where a metric does not say.
    pub variance: VarianceMethod,
    /// How p-values are adjusted over what is of one role and in no declared family.
    pub adjust: Adjustment,
    /// The declared families; none holds what another does.
    pub families: Vec<DeclaredFamily>,
}

/// How often the result may be looked at, and what an interval means.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Once: Welch's t-test.
    Fixed,
    /// At any time: a confidence sequence, narrowest at about so many units of both arms together.
    Sequential {
        /// The number of units.
        tuning: f64,
    },
    /// At any time: a mixture sequential probability ratio test.
    Mixture {
        /// The standard deviation of plausible effects, absolute, in the metric's unit.
        scale: Scale,
    },
    /// At the planned looks.
    GroupSequential(Design),
    /// What to believe, given a prior.
    Bayes {
        /// The prior of effects.
        prior: Prior,
        /// The prior of each arm's share, where proportions are counted exactly.
        shares: Option<BetaPrior>,
    },
}

/// The scale of a mixture's effects.
#[derive(Debug, Clone, PartialEq)]
pub enum Scale {
    /// For every metric.
    One(f64),
    /// By metric.
    Each(IndexMap<String, f64>),
}

/// The direction of a test, before it is known which way the metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestDirection {
    /// The variants differ.
    TwoSided,
    /// The treatment is better, in the metric's direction.
    Better,
    /// The treatment's mean is greater.
    Greater,
    /// The treatment's mean is less.
    Less,
}

/// The covariates of CUPED: metrics before exposure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cuped {
    /// How long before.
    pub lookback: Duration,
    /// Which metrics; when empty, each metric itself.
    pub covariates: Vec<Spanned<String>>,
}

impl Method {
    /// Its name, as a definition writes it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Sequential { .. } => "sequential",
            Self::Mixture { .. } => "mixture",
            Self::GroupSequential(_) => "group_sequential",
            Self::Bayes { .. } => "bayes",
        }
    }

    /// Whether successes are counted exactly.
    pub(crate) fn counts_shares(&self) -> bool {
        matches!(self, Self::Bayes { shares: Some(_), .. })
    }

    /// The inference of a frequentist comparison of `metric`. `taken` are the information fractions of the
    /// looks so far and whether the last of them is the plan's last. `None` for Bayes.
    pub(crate) fn inference(&self, metric: &str, taken: Option<&GroupSequential>) -> Option<Inference> {
        match self {
            Self::Fixed => Some(Inference::Fixed),
            Self::Sequential { tuning } => Some(Inference::Sequential { tuning: *tuning }),
            Self::Mixture { scale } => Some(Inference::Mixture { scale: scale.of(metric) }),
            Self::GroupSequential(_) => taken.cloned().map(Inference::GroupSequential),
            Self::Bayes { .. } => None,
        }
    }
}

impl Scale {
    /// The scale for `metric`; 0, which no test accepts, where there is none.
    #[must_use]
    pub fn of(&self, metric: &str) -> f64 {
        match self {
            Self::One(scale) => *scale,
            Self::Each(scales) => scales.get(metric).copied().unwrap_or(0.0),
        }
    }
}

impl TestDirection {
    /// The alternative for a metric that is better in `better`.
    #[must_use]
    pub fn alternative(self, better: Direction) -> Alternative {
        match (self, better) {
            (Self::TwoSided, _) => Alternative::TwoSided,
            (Self::Greater, _) | (Self::Better, Direction::Increase) => Alternative::Greater,
            (Self::Less, _) | (Self::Better, Direction::Decrease) => Alternative::Less,
        }
    }
}

/// Whether a metric is a share of units, each of which succeeded or did not.
pub(crate) fn is_share(metric: &Metric) -> bool {
    matches!(
        metric.kind,
        MetricKind::Proportion(_) | MetricKind::Retention { .. } | MetricKind::Funnel { .. }
    )
}

impl From<AlternativeSpec> for TestDirection {
    fn from(spec: AlternativeSpec) -> Self {
        match spec {
            AlternativeSpec::TwoSided => Self::TwoSided,
            AlternativeSpec::Better => Self::Better,
            AlternativeSpec::Greater => Self::Greater,
            AlternativeSpec::Less => Self::Less,
        }
    }
}
