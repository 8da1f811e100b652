//! Questions against arms whose answers can be worked out by hand.

use tranche_stats::{Arm, Prior};

use super::*;

fn arms(control: f64, treatment: f64) -> Arms {
    Arms { control: Arm::new(1000, control, 25.0), treatment: Arm::new(1000, treatment, 25.0), theta: None }
}

fn test(better: Direction, alternative: Alternative) -> Question {
    Question { better, alternative, alpha: 0.05, lens: Lens::Test(Inference::Fixed, RelativeMethod::Fieller) }
}

fn belief(better: Direction) -> Question {
    let direction = match better {
        Direction::Increase => tranche_stats::Direction::HigherIsBetter,
        Direction::Decrease => tranche_stats::Direction::LowerIsBetter,
    };
    let options = BayesOptions { alpha: 0.05, prior: Prior::Flat, direction };
    Question { better, alternative: Alternative::TwoSided, alpha: 0.05, lens: Lens::Belief(options) }
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
        for question in [test(better, Alternative::TwoSided), belief(better)] {
            let found = question.non_inferiority(&arms(10.0, treatment), margin);
            assert_eq!(found.holds, holds, "{better:?} {treatment} {margin:?}: {found:?}");
            let within = match (better, margin) {
                (Direction::Increase, Margin::Absolute(size) | Margin::Relative(size)) => found.bound.map(|bound| bound > -size),
                (Direction::Decrease, Margin::Absolute(size) | Margin::Relative(size)) => found.bound.map(|bound| bound < size),
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
        let (question, arms) = (test(better, alternative), arms(10.0, treatment));
        let answer = question.answer(&arms, 0.05);
        assert_eq!(question.conclusion(&arms, &answer.absolute), Some(expected), "{better:?} {alternative:?} {treatment}");
    }
}

#[test]
fn a_posterior_has_the_fields_of_an_estimate_and_its_own() {
    let answer = belief(Direction::Increase).answer(&arms(10.0, 10.4), 0.05);
    let fields = answer.absolute.as_object().unwrap();
    for name in ["effect", "se", "p", "chance_to_win", "risk", "risk_control"] {
        assert!(fields[name].is_number(), "{name}: {}", answer.absolute);
    }
    let number = |name: &str| fields[name].as_f64().unwrap();
    assert!((number("risk_control") - number("risk") - number("effect")).abs() < 1e-12);
    assert!((number("p") - 2.0 * (1.0 - number("chance_to_win"))).abs() < 1e-12);
    assert_eq!(fields["ci"].as_array().map(Vec::len), Some(2));
}

#[test]
fn before_the_first_look_nothing_is_said() {
    let question = Question { lens: Lens::NotYet("wait".to_owned()), ..test(Direction::Increase, Alternative::TwoSided) };
    let arms = arms(10.0, 20.0);
    let answer = question.answer(&arms, 0.05);
    assert_eq!(answer.absolute, json!({"undefined": "wait"}));
    assert_eq!(question.conclusion(&arms, &answer.absolute), None);
    assert!(!question.non_inferiority(&arms, Margin::Absolute(1.0)).holds);
}
