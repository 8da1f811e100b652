//! Findings about arms with a unit that is too large.

use tranche_scorecard::Effect;

use super::*;
use crate::fixture::audited;

#[test]
fn a_unit_that_turns_the_effect_round_is_a_warning() {
    let row = audited(|values| values[19] = 60.0);
    let check = check(&row);
    assert_eq!((check.ok, check.severity, check.bars()), (false, Severity::Warning, false));
    assert_eq!(
        check.finding,
        "the effect of `b` on revenue hinges on a few units: it is -1.30000 (unclear), without the largest unit (60.00000, 21.0 % \
         of all in `a`) it is 1.10526 (better), with values capped at 58.24500 it is -1.21225 (unclear)"
    );
    assert!(check.advice.contains("`cap:`"));
}

#[test]
fn an_effect_hinges_on_a_unit_that_makes_it() {
    let row = audited(|values| values[39] = 511.0);
    assert!(check(&row).ok, "it is unclear with and without: {row:?}");
    assert!(!check(&audited(|_| {})).ok);
}

#[test]
fn a_sign_counts_when_one_unit_moves_the_effect_by_more_than_half_its_error() {
    let refit = |effect: f64, se: f64| Refit {
        absolute: Some(Effect { se: Some(se), ..Effect::of(effect) }),
        conclusion: Some(Conclusion::Unclear),
    };
    assert!(hinges(&refit(0.3, 0.5), &refit(-0.1, 0.2)));
    assert!(!hinges(&refit(0.3, 0.9), &refit(-0.1, 0.2)), "noise around zero");
    assert!(!hinges(&refit(0.3, 0.5), &refit(0.0, 0.2)));
    assert!(
        hinges(&refit(0.3, 0.5), &Refit { absolute: None, conclusion: None }),
        "without it there is no effect at all"
    );
}
