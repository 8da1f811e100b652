//! The statistics of experiments on given sufficient statistics.

use std::fmt;

use tranche_stats::GroupSequential;
pub use tranche_stats::cases::{CaseInference, ResultsDocument};
use tranche_stats::cases::{CasesDocument, CasesOptions, evaluate as evaluate_cases};
pub use tranche_stats::{Alternative, Margin, Prior, RelativeMethod, Spending};

use crate::failure::Failure;

/// The requested statistics; an empty list stands for the defaults.
#[derive(Debug, Clone)]
pub struct StatisticsRequest<'a> {
    /// The chance of a false alarm.
    pub alpha: f64,
    /// What to compute.
    pub inferences: &'a [CaseInference],
    /// Tuning parameters of confidence sequences, in units.
    pub tunings: &'a [f64],
    /// Priors of Bayesian inference.
    pub priors: &'a [Prior],
    /// Where relative results come from.
    pub relative: RelativeMethod,
    /// The direction of tests.
    pub alternative: Option<Alternative>,
    /// How much worse the treatment may be.
    pub margin: Option<Margin>,
    /// Group-sequential: a number of even looks, or the information fractions of those taken so far.
    pub looks: &'a str,
    /// Group-sequential: how alpha is spent.
    pub spending: Spending,
    /// Group-sequential: whether the present look is the last.
    pub is_final: bool,
}

/// The results of the cases in a JSON document; `name` is what the document is called in messages.
///
/// # Errors
/// [`Failure`] when the document or the request is not one.
pub fn evaluate(name: &str, text: &str, request: &StatisticsRequest<'_>) -> Result<ResultsDocument, Failure> {
    let document: CasesDocument = serde_json::from_str(text)
        .map_err(|e| Failure::definition(format!("{name}:{}:{}: {e}", e.line(), e.column())))?;
    let wrong = |problem: &dyn fmt::Display| Failure::definition(problem.to_string());
    let looks = GroupSequential::parse(request.spending, request.looks).map_err(|e| wrong(&e))?;
    let mut options = CasesOptions {
        alpha: request.alpha,
        relative: request.relative,
        alternative: request.alternative,
        margin: request.margin,
        looks: GroupSequential { is_final: request.is_final, ..looks },
        ..CasesOptions::default()
    };
    if !request.inferences.is_empty() {
        options.inferences = request.inferences.to_vec();
    }
    if !request.tunings.is_empty() {
        options.sequential_tunings = request.tunings.to_vec();
    }
    if !request.priors.is_empty() {
        options.priors = request.priors.to_vec();
    }
    evaluate_cases(&document, &options).map_err(|e| wrong(&e))
}
