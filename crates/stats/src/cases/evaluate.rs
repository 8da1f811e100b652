//! Every estimate of every case.

use std::collections::BTreeMap;

use super::read::Case;
use super::{CaseResult, CaseResults, CasesDocument, CasesError, CasesOptions, ResultsDocument};
use crate::{BayesOptions, Inference, Options, Prior, RelativeMethod, believe, compare};

/// Computes all results of all cases.
///
/// # Errors
///
/// The first case that is not as its kind needs it. A case without an answer is no error: its results say why.
pub fn evaluate(document: &CasesDocument, options: &CasesOptions) -> Result<ResultsDocument, CasesError> {
    let results = |(name, spec): (&String, _)| Ok((name.clone(), results_of(&Case::read(name, spec)?, options)));
    Ok(ResultsDocument { cases: document.cases.iter().map(results).collect::<Result<_, _>>()? })
}

fn results_of(case: &Case, options: &CasesOptions) -> CaseResults {
    let mut results = BTreeMap::new();
    let delta = Options { alpha: options.alpha, relative: RelativeMethod::Delta, ..Options::default() };
    let sequential =
        options.sequential_tunings.iter().map(|tuning| (format!("seq{tuning}"), Inference::Sequential { tuning: *tuning }));
    for (key, inference) in std::iter::once(("freq".to_owned(), Inference::Fixed)).chain(sequential) {
        let comparison = compare(&case.control, &case.treatment, &Options { inference, ..delta.clone() });
        results.insert(format!("{key}_absolute"), CaseResult::Estimate(comparison.absolute));
        results.insert(format!("{key}_relative"), CaseResult::Estimate(comparison.relative));
    }
    let fieller = compare(&case.control, &case.treatment, &Options { relative: RelativeMethod::Fieller, ..delta });
    results.insert("fieller_relative".to_owned(), CaseResult::Estimate(fieller.relative));
    for prior in &options.priors {
        let key = match prior {
            Prior::Flat => "bayes_flat".to_owned(),
            Prior::Normal { mean, sd } => format!("bayes_n{mean}_{sd}"),
            Prior::NormalAbsolute { mean, sd } => format!("bayes_absolute_n{mean}_{sd}"),
        };
        let bayes = BayesOptions { alpha: options.alpha, prior: *prior, direction: case.direction };
        let beliefs = believe(&case.control, &case.treatment, &bayes);
        results.insert(format!("{key}_absolute"), CaseResult::Posterior(beliefs.absolute));
        results.insert(format!("{key}_relative"), CaseResult::Posterior(beliefs.relative));
    }
    CaseResults { theta: case.theta, results }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
