//! The document of `tranche stats`: two-arm cases as sufficient statistics in, every estimate of each out.
//!
//! In: `{"cases": {name: {"kind", "a", "b"}}}`, where `a` is the control; `a` and `b` may also stand under `inputs`, and other
//! keys are left alone, so that a results file may be read back. Out: `{"cases": {name: {"results": {key: {...}}}}}`.
//!
//! | kind | fields of an arm |
//! |---|---|
//! | `proportion` | `n`, `sum` |
//! | `mean`, `mean_lower_is_better` | `n`, `sum`, `sum_squares` |
//! | `ratio` | `n`, `num_sum`, `num_sum_squares`, `den_sum`, `den_sum_squares`, `num_den_sum_of_products` |
//! | `mean_cuped` | those of `mean`, and `pre_sum`, `pre_sum_squares`, `post_pre_sum_of_products` |
//! | `quantile` | `n`, `n_star` (default `n`), `nu` (the level), `quantile_hat`, `quantile_lower`, `quantile_upper` |

mod evaluate;
mod parse;
mod read;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use evaluate::evaluate;
pub use parse::{CaseInference, NotUnderstood};
pub use read::CasesError;

use crate::{
    Alternative, Estimate, GroupSequential, Look, Margin, Outcome, Posterior, Prior, RelativeMethod, Spending,
};

/// Cases by name, as given.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CasesDocument {
    /// The cases.
    pub cases: BTreeMap<String, CaseSpec>,
}

/// One comparison, as given.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CaseSpec {
    /// What the arms' fields are; see the module.
    pub kind: String,
    /// The control.
    pub a: Option<ArmSpec>,
    /// The treatment.
    pub b: Option<ArmSpec>,
    /// Another place for `a`, `b` and `inverse`.
    pub inputs: Option<InputsSpec>,
    /// Whether less is better; by default what the kind says.
    pub inverse: Option<bool>,
}

/// The arms of a case, one level down.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct InputsSpec {
    /// The control.
    pub a: Option<ArmSpec>,
    /// The treatment.
    pub b: Option<ArmSpec>,
    /// Whether less is better.
    pub inverse: Option<bool>,
}

/// An arm's sufficient statistics by name.
pub type ArmSpec = BTreeMap<String, f64>;

/// What to compute of every case.
#[derive(Debug, Clone, PartialEq)]
pub struct CasesOptions {
    /// The chance of a false alarm; .05.
    pub alpha: f64,
    /// The tuning parameters of the confidence sequences; 1000, 5000 and 10000.
    pub sequential_tunings: Vec<f64>,
    /// The priors; flat and N(0, .3²) on the relative effect.
    pub priors: Vec<Prior>,
    /// What is computed; all but group-sequential estimates, which need looks.
    pub inferences: Vec<CaseInference>,
    /// Where `*_relative` comes from, but for `fieller_relative`; the delta method, as in gbstats.
    pub relative: RelativeMethod,
    /// The direction of tests. By default two-sided, or with a margin the one in which the metric is better.
    pub alternative: Option<Alternative>,
    /// How much worse the treatment may be; none.
    pub margin: Option<Margin>,
    /// The looks of group-sequential estimates; five even ones, all taken, spending as O'Brien and Fleming.
    pub looks: GroupSequential,
}

impl Default for CasesOptions {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            sequential_tunings: vec![1000.0, 5000.0, 10_000.0],
            priors: vec![Prior::Flat, Prior::Normal { mean: 0.0, sd: 0.3 }],
            inferences: vec![CaseInference::Fixed, CaseInference::Sequential, CaseInference::Bayes],
            relative: RelativeMethod::Delta,
            alternative: None,
            margin: None,
            looks: GroupSequential::evenly(Spending::OBrienFleming, 5),
        }
    }
}

/// Results by case.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ResultsDocument {
    /// The cases, by the names they came with.
    pub cases: BTreeMap<String, CaseResults>,
}

/// All results of one case.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CaseResults {
    /// For `mean_cuped`, the slope that the adjustment used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theta: Option<f64>,
    /// `freq_*`, `seq<tuning>_*`, `group_sequential_*` and `bayes_<prior>_*`, each `_absolute` and `_relative`; `fieller_relative`, and
    /// `group_sequential_look`.
    pub results: BTreeMap<String, CaseResult>,
}

/// One result: its fields, or `{"undefined": "<reason>"}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum CaseResult {
    /// `effect`, `se`, `ci`, `p`.
    Estimate(Outcome<Estimate>),
    /// `effect`, `se`, `ci`, `chance_to_win`, `risk_control_treatment`.
    Posterior(Outcome<Posterior>),
    /// `number`, `fraction`, `critical`, `spent`.
    Look(Look),
}
