//! Estimators: from moments to effects.
//!
//! **What was measured.** [`Moments`], [`Proportion`], [`CoMoments`], [`CoMomentMatrix`], [`QuantileSummary`] and
//! [`ClusteredQuantile`] summarise it, and merge. An [`Arm`] is what all of them come to: n, a mean and the variance of one unit.
//! [`adjust`] and [`adjust_for_covariates`] take out what is known beforehand, [`post_stratify`] how strata happened to mix; [`arms_of_rows`]
//! does all of it, and takes a variance from resamples where there shall be no formula.
//!
//! **What it says.** [`compare`] turns two arms into an absolute and a relative [`Estimate`]: for one look, for any number of them
//! ([`ConfidenceSequence`], [`MixtureTest`]) or for a few ([`GroupSequential`]), two-sided or towards an [`Alternative`] with a
//! [`Margin`]. [`posterior`] and [`share_posterior`] give the Bayesian's answer, [`Bootstrap`] that of what has no formula.
//!
//! **Whether to believe it.** [`sample_ratio`], [`exact_sample_ratio`] and [`sequential_sample_ratio`] say whether the arms may be
//! compared at all; [`Family`] keeps the error rate of many questions at once; [`heterogeneity`] says whether segments differ, and
//! what is left of it; [`binomial_interval`] how sure an error rate is that was counted.
//!
//! **Before it starts.** [`Plan`] says how many units are needed; [`assignment`] which variant a unit gets.
//!
//! [`cases`] reads and writes comparisons as a document, for `tranche stats`.
//!
//! Pure functions of numbers: this crate knows no Arrow, no async, no clock and no files, and never fails on finite input; what
//! has no answer (one unit, no variance, a control mean of zero) is [`Outcome::Undefined`] with its [`Reason`].
//!
//! ```
//! use tranche_stats::{Arm, Moments, Options, compare};
//!
//! let control = Arm::mean(&Moments::from_values([3.0, 5.0, 4.0]));
//! let treatment = Arm::mean(&Moments::from_values([6.0, 4.0, 8.0]));
//! let effect = compare(&control, &treatment, &Options::default());
//! assert!(effect.absolute.value().is_some_and(|absolute| absolute.interval.contains(2.0)));
//!
//! let empty = compare(&control, &Arm::mean(&Moments::default()), &Options::default());
//! assert_eq!(empty.absolute.reason().map(|reason| reason.to_string()).as_deref(), Some("the treatment arm has no units"));
//! ```

mod arm;
pub mod assignment;
mod bayes;
mod beta_binomial;
mod binomial;
mod bootstrap;
pub mod cases;
mod cluster;
mod co_moment_matrix;
mod co_moments;
mod compare;
mod covariates;
pub mod distribution;
mod effect;
mod exact_split;
mod family;
mod fieller;
mod group_sequential;
mod heterogeneity;
mod hypothesis;
mod interval;
mod mixture;
mod moments;
mod multiplicity;
mod occupancy;
mod options;
mod outcome;
mod power;
mod proportion;
mod quantile;
mod random;
mod root;
mod rows;
mod sequential;
mod sequential_srm;
mod significance;
mod srm;
mod strata;

pub use arm::{Adjusted, Arm, Baseline, adjust};
pub use bayes::{BayesOptions, Direction, Posterior, Posteriors, Prior, posterior};
pub use beta_binomial::{BetaPrior, LiftPosterior, ShareOptions, SharePosterior, share_posterior};
pub use binomial::binomial_interval;
pub use bootstrap::{Bootstrap, BootstrapEstimate, BootstrapMethod};
pub use cluster::{ClusteredQuantile, quantile_rows};
pub use co_moment_matrix::CoMomentMatrix;
pub use co_moments::{CoMoments, PairSums};
pub use compare::{Comparison, Estimate, compare};
pub use covariates::{CovariateAdjusted, OutcomeColumns, adjust_for_covariates};
pub use exact_split::exact_sample_ratio;
pub use family::{ErrorRate, Family};
pub use group_sequential::{GroupSequential, Look, Spending};
pub use heterogeneity::{
    BetweenVariance, Contrast, Heterogeneity, SegmentEffect, against_the_rest, heterogeneity,
};
pub use hypothesis::{Alternative, Margin};
pub use interval::Interval;
pub use mixture::MixtureTest;
pub use moments::Moments;
pub use multiplicity::{Adjustment, adjusted};
pub use occupancy::expected_empty;
pub use options::{Inference, Options, RelativeMethod};
pub use outcome::{Outcome, Reason, UndefinedReason};
pub use power::{Plan, SampleSize};
pub use proportion::Proportion;
pub use quantile::QuantileSummary;
pub use random::Generator;
pub use rows::{ArmsOfRows, StratumRows, VarianceMethod, arms_of_rows};
pub use sequential::ConfidenceSequence;
pub use sequential_srm::{SequentialSampleRatio, sequential_sample_ratio};
pub use srm::{SampleRatio, sample_ratio};
pub use strata::{PostStratified, Stratum, StratumWeights, post_stratify};
