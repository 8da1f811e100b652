//! Analyses of arms whose effects can be worked out by hand.

use tranche_scorecard::Basis;
use tranche_stats::{Arm, BetaPrior, Prior, Proportion};

use super::*;

fn arms(control: f64, treatment: f64) -> Arms {
    let arm = |mean: f64| Arm::new(1000, mean, 25.0);
    Arms {
        control: arm(control),
        treatment: arm(treatment),
        units: [1000, 1000],
        shares: None,
        basis: Basis::default(),
    }
}

fn test(better: Direction, alternative: Alternative) -> Analysis {
    let method = InferenceMethod::Test(Inference::Fixed, RelativeMethod::Fieller);
    Analysis { better, alternative, alpha: 0.05, method }
}

fn posterior(better: Direction) -> Analysis {
    let direction = match better {
        Direction::Increase => tranche_stats::Direction::HigherIsBetter,
        Direction::Decrease => tranche_stats::Direction::LowerIsBetter,
    };
    let options = BayesOptions { alpha: 0.05, prior: Prior::Flat, direction };
    let method = InferenceMethod::Posterior(options);
    Analysis { better, alternative: Alternative::TwoSided, alpha: 0.05, method }
}

/// se = √(2 · 25 / 1000) = .2236.
#[test]
fn a_margin_is_tested_in_the_metrics_direction() {
    for (better, treatment, margin, holds) in [
        (Direction::Increase, 9.9, Margin::Absolute(0.5), true),
        (Direction::Increase, 9.9, Margin::Absolute(0.4), false),
        (Direction::Increase, 9.9, Margin::Relative(0.05), true),
        (Direction::Increase, 11.0, Margin::Absolute(0.0), true),
        (Direction::Decrease, 10.1, Margin::Absolute(0.5), true),
        (Direction::Decrease, 10.1, Margin::Absolute(0.4), false),
        (Direction::Decrease, 11.0, Margin::Absolute(0.5), false),
        (Direction::Decrease, 9.0, Margin::Absolute(0.0), true),
    ] {
        for analysis in [test(better, Alternative::TwoSided), posterior(better)] {
            let found = analysis.non_inferiority(&arms(10.0, treatment), margin);
            assert_eq!(found.holds, holds, "{better:?} {treatment} {margin:?}: {found:?}");
            let within = match (better, margin) {
                (Direction::Increase, Margin::Absolute(size) | Margin::Relative(size)) => {
                    found.bound.map(|bound| bound > -size)
                }
                (Direction::Decrease, Margin::Absolute(size) | Margin::Relative(size)) => {
                    found.bound.map(|bound| bound < size)
                }
            };
            assert_eq!(within, Some(holds), "the bound agrees with the test: {found:?}");
        }
    }
}

#[test]
fn a_conclusion_follows_the_metrics_direction() {
    use Alternative::{Greater, Less, TwoSided};
    use Conclusion::{Better, Unclear, Worse};
    for (better, alternative, treatment, expected) in [
        (Direction::Increase, TwoSided, 11.0, Better),
        (Direction::Increase, TwoSided, 9.0, Worse),
        (Direction::Increase, TwoSided, 10.1, Unclear),
        (Direction::Decrease, TwoSided, 11.0, Worse),
        (Direction::Decrease, TwoSided, 9.0, Better),
        (Direction::Increase, Greater, 11.0, Better),
        (Direction::Increase, Greater, 9.0, Worse),
        (Direction::Decrease, Less, 9.0, Better),
        (Direction::Decrease, Less, 11.0, Worse),
        // 1.79 standard errors: enough for one side, not for two.
        (Direction::Increase, Greater, 10.4, Better),
        (Direction::Increase, TwoSided, 10.4, Unclear),
    ] {
        let (analysis, arms) = (test(better, alternative), arms(10.0, treatment));
        let effects = analysis.effects(&arms, 0.05);
        assert_eq!(
            analysis.conclusion(&arms, &effects.absolute),
            Some(expected),
            "{better:?} {alternative:?} {treatment}"
        );
    }
}

#[test]
fn a_posterior_has_the_fields_of_an_estimate_and_its_own() {
    let found = posterior(Direction::Increase).effects(&arms(10.0, 10.4), 0.05).absolute;
    let effect = found.effect().unwrap();
    assert!(effect.se.is_some() && effect.ci.bounds().is_some(), "{effect:?}");
    let (p, chance, risk, risk_control) = (effect.p, effect.chance_to_win, effect.risk, effect.risk_control);
    assert!((risk_control.unwrap() - risk.unwrap() - effect.effect).abs() < 1e-12);
    assert!((p.unwrap() - 2.0 * (1.0 - chance.unwrap())).abs() < 1e-12);
}

#[test]
fn before_the_first_look_nothing_is_said() {
    let analysis = Analysis {
        method: InferenceMethod::Withheld("wait".to_owned()),
        ..test(Direction::Increase, Alternative::TwoSided)
    };
    let arms = arms(10.0, 20.0);
    let effects = analysis.effects(&arms, 0.05);
    assert_eq!(effects.absolute, EffectOutcome::undefined("wait"));
    assert_eq!(analysis.conclusion(&arms, &effects.absolute), None);
    assert!(!analysis.non_inferiority(&arms, Margin::Absolute(1.0)).holds);
}

/// scipy 1.17.1: `quad` over the control's beta density, for 100 and 120 successes of 1000 and uniform
/// priors.
#[test]
fn shares_have_an_exact_posterior() {
    let arms = Arms {
        shares: Some([Proportion::from_counts(1000, 100), Proportion::from_counts(1000, 120)]),
        ..arms(0.1, 0.12)
    };
    let analysis = |better| {
        let direction = match better {
            Direction::Increase => tranche_stats::Direction::HigherIsBetter,
            Direction::Decrease => tranche_stats::Direction::LowerIsBetter,
        };
        let method = InferenceMethod::SharePosterior(ShareOptions {
            alpha: 0.05,
            prior: BetaPrior::default(),
            direction,
        });
        Analysis { method, ..posterior(better) }
    };
    let more = analysis(Direction::Increase);
    let effects = more.effects(&arms, 0.05);
    let (absolute, relative) = (effects.absolute.effect().unwrap(), effects.relative.effect().unwrap());
    for (name, found, expected) in [
        ("effect", Some(absolute.effect), 20.0 / 1002.0),
        ("se", absolute.se, 0.014_008_043_442_011_68),
        ("chance_to_win", absolute.chance_to_win, 0.923_183_438_973_559_3),
        ("risk", absolute.risk, 0.000_484_613_926_356_443_87),
        ("risk_control", absolute.risk_control, 0.020_444_693_766_675_796),
        ("p", absolute.p, 2.0 * (1.0 - 0.923_183_438_973_559_3)),
        ("effect", Some(relative.effect), 0.208_792_415_169_660_96),
        ("se", relative.se, 0.154_881_796_465_680_8),
        ("risk", relative.risk, 0.004_170_339_052_554_019),
    ] {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-8, "{name}: {found}, not {expected}");
    }
    for (found, expected) in [
        (absolute.ci, (-0.007_470_692_707_560_913, 0.047_469_692_724_217_555)),
        (relative.ci, (-0.065_360_432_110_982_89, 0.540_838_193_099_649_4)),
    ] {
        let (low, high) = found.bounds().unwrap();
        assert!((low - expected.0).abs() < 1e-6 && (high - expected.1).abs() < 1e-6, "{found:?}");
    }
    for (better, margin, p) in [
        (Direction::Increase, Margin::Relative(0.1), 1.0 - 0.988_020_249_740_767_1),
        (Direction::Decrease, Margin::Absolute(0.01), 0.761_667_308_387_160_6),
    ] {
        let found = analysis(better).non_inferiority(&arms, margin);
        assert!(found.p.is_some_and(|found| (found - p).abs() < 1e-8), "{found:?}, not {p}");
        assert_eq!(found.holds, p < 0.05);
    }
    let empty = Arms { shares: Some([Proportion::default(), Proportion::from_counts(10, 1)]), ..arms };
    assert_eq!(more.effects(&empty, 0.05).absolute.reason(), Some("the control arm has no units"));
}
