//! Every estimate of every case.

use std::collections::BTreeMap;

use super::read::Case;
use super::{
    CaseInference, CaseResult, CaseResults, CasesDocument, CasesError, CasesOptions, ResultsDocument,
};
use crate::{
    Alternative, BayesOptions, Direction, Inference, Options, Prior, RelativeMethod, compare, posterior,
};

/// Computes all results of all cases.
///
/// # Errors
///
/// The first case that is not as its kind needs it. A case without an answer is no error: its results say why.
pub fn evaluate(document: &CasesDocument, options: &CasesOptions) -> Result<ResultsDocument, CasesError> {
    let results =
        |(name, spec): (&String, _)| Ok((name.clone(), results_of(&Case::read(name, spec)?, options)));
    Ok(ResultsDocument { cases: document.cases.iter().map(results).collect::<Result<_, _>>()? })
}

fn results_of(case: &Case, options: &CasesOptions) -> CaseResults {
    let mut results = BTreeMap::new();
    for inference in &options.inferences {
        match inference {
            CaseInference::Fixed => fixed(case, options, &mut results),
            CaseInference::Sequential => sequential(case, options, &mut results),
            CaseInference::GroupSequential => group_sequential(case, options, &mut results),
            CaseInference::Bayes => bayes(case, options, &mut results),
        }
    }
    CaseResults { theta: case.theta, results }
}

type Results = BTreeMap<String, CaseResult>;

fn fixed(case: &Case, options: &CasesOptions, results: &mut Results) {
    estimates("freq", case, Inference::Fixed, options, results);
    let fieller = Options { relative: RelativeMethod::Fieller, ..question(case, Inference::Fixed, options) };
    let relative = compare(&case.control, &case.treatment, &fieller).relative;
    results.insert("fieller_relative".to_owned(), CaseResult::Estimate(relative));
}

fn sequential(case: &Case, options: &CasesOptions, results: &mut Results) {
    for tuning in &options.sequential_tunings {
        estimates(&format!("seq{tuning}"), case, Inference::Sequential { tuning: *tuning }, options, results);
    }
}

fn group_sequential(case: &Case, options: &CasesOptions, results: &mut Results) {
    let looks = options.looks.looks(options.alpha, alternative(case, options));
    let present = looks.map(|looks| looks.last().copied()).value().flatten();
    if let Some(look) = present {
        results.insert("group_sequential_look".to_owned(), CaseResult::Look(look));
    }
    estimates("group_sequential", case, Inference::GroupSequential(options.looks.clone()), options, results);
}

fn bayes(case: &Case, options: &CasesOptions, results: &mut Results) {
    for prior in &options.priors {
        let key = match prior {
            Prior::Flat => "bayes_flat".to_owned(),
            Prior::Normal { mean, sd } => format!("bayes_n{mean}_{sd}"),
            Prior::NormalAbsolute { mean, sd } => format!("bayes_absolute_n{mean}_{sd}"),
        };
        let bayes = BayesOptions { alpha: options.alpha, prior: *prior, direction: case.direction };
        let posteriors = posterior(&case.control, &case.treatment, &bayes);
        results.insert(format!("{key}_absolute"), CaseResult::Posterior(posteriors.absolute));
        results.insert(format!("{key}_relative"), CaseResult::Posterior(posteriors.relative));
    }
}

fn estimates(key: &str, case: &Case, inference: Inference, options: &CasesOptions, results: &mut Results) {
    let comparison = compare(&case.control, &case.treatment, &question(case, inference, options));
    results.insert(format!("{key}_absolute"), CaseResult::Estimate(comparison.absolute));
    results.insert(format!("{key}_relative"), CaseResult::Estimate(comparison.relative));
}

fn question(case: &Case, inference: Inference, options: &CasesOptions) -> Options {
    Options {
        alpha: options.alpha,
        inference,
        relative: options.relative,
        alternative: alternative(case, options),
        margin: options.margin,
    }
}

/// As given; or with a margin "not worse", and two-sided without.
fn alternative(case: &Case, options: &CasesOptions) -> Alternative {
    options.alternative.unwrap_or(match (options.margin, case.direction) {
        (None, _) => Alternative::TwoSided,
        (Some(_), Direction::HigherIsBetter) => Alternative::Greater,
        (Some(_), Direction::LowerIsBetter) => Alternative::Less,
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
