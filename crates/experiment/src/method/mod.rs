//! The inference of a result, named: its formula, its parameters, and the look that was taken.

pub(crate) mod declared;
mod estimators;

use tranche_scorecard::{FamilyNote, LookNote, MethodNote};
use tranche_stats::Alternative;

use crate::definition::looks::TakenLook;
use crate::definition::{Experiment, Method, Statistics, TestDirection};
use declared::parameters;

/// Names the inference of an experiment, what its estimates take into account, and the look that was taken.
pub(crate) fn note(
    experiment: &Experiment,
    taken: Option<&TakenLook>,
    families: Vec<FamilyNote>,
) -> MethodNote {
    let statistics = &experiment.statistics;
    let (formula, source) = formula(&statistics.method);
    MethodNote {
        inference: statistics.method.name().to_owned(),
        formula: formula.to_owned(),
        source: source.to_owned(),
        alpha: statistics.alpha,
        parameters: parameters(&statistics.method).into(),
        estimators: estimators::of(experiment),
        families,
        look: taken.and_then(|taken| look(statistics, taken)),
    }
}

fn look(statistics: &Statistics, taken: &TakenLook) -> Option<LookNote> {
    let Method::GroupSequential(design) = &statistics.method else { return None };
    // The two one-sided alternatives have the same boundary.
    let alternative = if statistics.direction == TestDirection::TwoSided {
        Alternative::TwoSided
    } else {
        Alternative::Greater
    };
    let last = taken.design.looks(statistics.alpha, alternative).value()?.last().copied()?;
    Some(LookNote {
        number: taken.number,
        planned: design.planned(),
        at: taken.at,
        fraction: last.fraction,
        spent: last.spent,
        critical: Some(last.critical).filter(|critical| critical.is_finite()),
        is_final: taken.design.is_final,
    })
}

fn formula(method: &Method) -> (&'static str, &'static str) {
    match method {
        Method::Fixed => {
            ("effect ± t se with the degrees of freedom of Welch and Satterthwaite", "Welch (1947)")
        }
        Method::Sequential { .. } => (
            "effect ± se √(2 (Nρ² + 1) ln(√(Nρ² + 1) / α) / (Nρ²)), an asymptotic confidence sequence over N units",
            "Waudby-Smith et al., arXiv 2103.06476, eq. 9",
        ),
        Method::Mixture { .. } => (
            "likelihood ratio exp(z² g / 2(1 + g)) / √(1 + g) with g = scale² / se², effects mixed over N(0, scale²)",
            "Johari, Koomen, Pekelis and Walsh (2017)",
        ),
        Method::GroupSequential(_) => (
            "effect ± c se with c from alpha spending at this look, a repeated confidence interval",
            "Lan and DeMets (1983); Jennison and Turnbull (2000)",
        ),
        Method::Bayes { .. } => (
            "normal posterior of precision 1/se² + 1/sd², the central credible interval; p is twice the chance of the less probable \
             sign",
            "Gelman et al., Bayesian Data Analysis, section 2.5",
        ),
    }
}
