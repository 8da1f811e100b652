//! Published figures, and the promise that absolute and relative never contradict each other.

use super::*;
use crate::{CoMoments, Inference, Moments, Proportion, UndefinedReason, adjust};

fn estimates(control: Arm, treatment: Arm, options: &Options) -> (Estimate, Estimate) {
    let comparison = compare(&control, &treatment, options);
    match (comparison.absolute, comparison.relative) {
        (Outcome::Defined(absolute), Outcome::Defined(relative)) => (absolute, relative),
        other => panic!("undefined: {other:?}"),
    }
}

fn assert_near(value: f64, expected: f64, tolerance: f64) {
    assert!((value - expected).abs() <= tolerance, "{value}, not {expected}");
}

/// The MineThatData e-mail challenge: sums of spend and of its squares, from the file.
#[test]
fn hillstrom_spend() {
    let control = Arm::mean(&Moments::from_sums(21_306, 13_908.33, 2_870_050.362_1));
    let mens = Arm::mean(&Moments::from_sums(21_307, 30_311.69, 6_759_024.497_3));
    let womens = Arm::mean(&Moments::from_sums(21_387, 23_038.11, 4_911_446.576_3));
    let (absolute, relative) = estimates(control, mens, &Options::default());
    assert_near(absolute.effect, 0.769_827_155_9, 5e-11);
    assert_near(absolute.se, 0.145_246_560_2, 5e-11);
    assert_near(absolute.interval.lo(), 0.485_14, 5e-6);
    assert_near(absolute.interval.hi(), 1.054_51, 5e-6);
    assert_near(absolute.p, 1.1638e-7, 5e-12);
    assert_eq!(relative.p, absolute.p);
    assert_near(relative.interval.lo(), 0.643_690_437_9, 5e-11);
    assert_near(relative.interval.hi(), 1.977_447_361_1, 5e-11);
    let (absolute, _) = estimates(control, womens, &Options::default());
    assert_near(absolute.effect, 0.424_412_215_9, 5e-11);
    assert_near(absolute.se, 0.130_332_858_5, 5e-11);
}

/// The published lifts of 0/1 outcomes take them as means, with n - 1; a proportion's interval is narrower by about 1 / 2n of
/// itself.
#[test]
fn hillstrom_visits_and_conversions() {
    for (control, mens, effect, lo, hi) in [
        (2_262, 3_894, 0.076_589_563_7, 0.640_927_110_5, 0.807_116_354_8),
        (122, 267, 0.006_805_006_5, 0.779_533_034_2, 1.738_772_248_6),
    ] {
        let proportions = [(21_306, control), (21_307, mens)]
            .map(|(n, count)| Arm::proportion(&Proportion::from_counts(n, count)));
        let means = [(21_306, control), (21_307, mens)].map(|(n, count)| {
            let sum = count as f64;
            Arm::mean(&Moments::from_sums(n, sum, sum))
        });
        let (_, narrower) = estimates(proportions[0], proportions[1], &Options::default());
        let (absolute, relative) = estimates(means[0], means[1], &Options::default());
        assert_near(absolute.effect, effect, 5e-11);
        assert_near(narrower.interval.lo(), relative.interval.lo(), 3e-5);
        assert!(
            narrower.interval.lo() > relative.interval.lo()
                && narrower.interval.hi() < relative.interval.hi()
        );
        assert_near(relative.interval.lo(), lo, 6e-11);
        assert_near(relative.interval.hi(), hi, 6e-11);
    }
}

#[test]
fn cookie_cats_retention_after_a_week() {
    let control = Arm::proportion(&Proportion::from_counts(44_700, 8_502));
    let treatment = Arm::proportion(&Proportion::from_counts(45_489, 8_279));
    let (absolute, _) = estimates(control, treatment, &Options::default());
    assert_near(absolute.effect, -0.008_201_3, 5e-8);
    assert_near(absolute.interval.lo(), -0.013_28, 5e-6);
    assert_near(absolute.interval.hi(), -0.003_12, 5e-6);
}

/// Rounds played: sums and sums of squares from the file, as they are and with the player of 49,854 rounds counted as 3,000.
/// Effects are Welch's by SciPy, lifts the roots of Fieller's quadratic by NumPy.
#[test]
fn cookie_cats_rounds_with_and_without_the_outlier() {
    let treatment = Arm::mean(&Moments::from_sums(45_489, 2_333_530.0, 605_052_202.0));
    for (sum, sum_squares, effect, se, ci, p, lift) in [
        (
            2_344_795.0,
            3_068_811_771.0,
            -1.157_488_453_953,
            1.307_250_417_305,
            [-3.719_705_116_495, 1.404_728_208_588],
            0.375_924_384_093,
            [-0.068_055_958_497, 0.027_958_393_948],
        ),
        (
            2_297_941.0,
            592_390_455.0,
            -0.109_300_534_490,
            0.686_962_340_150,
            [-1.455_740_053_858, 1.237_138_984_878],
            0.873_584_909_629,
            [-0.027_951_373_724, 0.024_387_910_596],
        ),
    ] {
        let control = Arm::mean(&Moments::from_sums(44_700, sum, sum_squares));
        let (absolute, relative) = estimates(control, treatment, &Options::default());
        assert_near(absolute.effect, effect, 1e-12);
        assert_near(absolute.se, se, 1e-12);
        assert_near(absolute.interval.lo(), ci[0], 1e-12);
        assert_near(absolute.interval.hi(), ci[1], 1e-12);
        assert_near(absolute.p, p, 1e-12);
        assert_near(relative.interval.lo(), lift[0], 1e-12);
        assert_near(relative.interval.hi(), lift[1], 1e-12);
    }
}

#[test]
fn a_known_boundary_gives_the_interval_of_its_plan() {
    let looks = crate::GroupSequential::evenly(crate::Spending::Pocock, 3);
    let (control, treatment) = (Arm::new(400, 2.0, 1.5), Arm::new(500, 2.2, 1.0));
    for alternative in [Alternative::TwoSided, Alternative::Greater, Alternative::Less] {
        let boundary = looks.looks(0.05, alternative).value().unwrap_or_default();
        let planned = Options {
            inference: Inference::GroupSequential(looks.clone()),
            alternative,
            ..Options::default()
        };
        let known =
            Options { inference: Inference::Boundary { critical: boundary[2].critical }, ..planned.clone() };
        let (planned, known) =
            (estimates(control, treatment, &planned), estimates(control, treatment, &known));
        assert_eq!((known.0.interval, known.1.interval), (planned.0.interval, planned.1.interval));
        assert!(known.0.p < planned.0.p);
    }
}

#[test]
fn absolute_and_relative_never_contradict_each_other() {
    let mut checked = 0;
    for inference in [Inference::Fixed, Inference::Sequential { tuning: 5000.0 }] {
        for n in [3, 12, 480, 505, 5000, 10_000_000] {
            for mean in [-4.0, -0.3, 0.001, 0.2, 3.0] {
                for step in -60..=60 {
                    let shift = f64::from(step) * 0.071 * (2.0 / n as f64).sqrt();
                    let (control, treatment) = (Arm::new(n, mean, 1.0), Arm::new(n, mean + shift, 1.0));
                    let (absolute, relative) = estimates(
                        control,
                        treatment,
                        &Options { inference: inference.clone(), ..Options::default() },
                    );
                    assert_eq!(
                        absolute.interval.contains(0.0),
                        relative.interval.contains(0.0),
                        "{n} {mean} {shift}"
                    );
                    assert!(relative.interval.contains(relative.effect), "{n} {mean} {shift} {relative:?}");
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, 7260);
}

/// Between the normal and Student's critical value Fieller's set leaves out 0 and is widened to reach it.
#[test]
fn the_sliver_between_normal_and_student_reaches_zero() {
    let (n, se) = (600, (2.0_f64 / 600.0).sqrt());
    for sign in [1.0, -1.0] {
        let (control, treatment) = (Arm::new(n, 10.0, 1.0), Arm::new(n, 10.0 + sign * 1.961 * se, 1.0));
        let (absolute, relative) = estimates(control, treatment, &Options::default());
        assert!(absolute.interval.contains(0.0));
        assert!(relative.interval.lo() == 0.0 || relative.interval.hi() == 0.0, "{relative:?}");
    }
}

#[test]
fn a_lift_over_a_negative_mean_keeps_the_sign_of_the_difference() {
    let (absolute, relative) =
        estimates(Arm::new(100, -5.0, 1.0), Arm::new(100, -4.0, 1.0), &Options::default());
    assert!(absolute.effect == 1.0 && (relative.effect - 0.2).abs() < 1e-15);
    assert!(relative.interval.lo() > 0.0 && relative.interval.contains(0.2));
}

#[test]
fn a_control_mean_that_may_be_zero_leaves_the_lift_unbounded() -> Result<(), serde_json::Error> {
    let (absolute, relative) =
        estimates(Arm::new(100, 0.05, 1.0), Arm::new(100, 3.0, 1.0), &Options::default());
    assert!(!absolute.interval.contains(0.0) && !relative.interval.contains(0.0));
    assert!(matches!(relative.interval, Interval::Outside { .. }));
    let json = serde_json::to_value(relative)?;
    assert_eq!(json["ci"], serde_json::json!([null, null]));
    assert_eq!(json["unbounded"], "the control mean may be zero, so the lift has no bound");
    assert!(json["gap"][0].is_f64());
    Ok(())
}

#[test]
fn a_control_mean_of_zero_has_no_lift() {
    let comparison = compare(&Arm::new(100, 0.0, 1.0), &Arm::new(100, 3.0, 1.0), &Options::default());
    assert!(comparison.absolute.value().is_some());
    assert_eq!(comparison.relative.reason(), Some(Reason::ControlMeanZero));
}

#[test]
fn what_has_no_answer_says_why() {
    let arm = Arm::new(100, 5.0, 1.0);
    for (control, treatment, reason) in [
        (Arm::mean(&Moments::from_values([1.0])), arm, Reason::Control(UndefinedReason::OneUnit)),
        (arm, Arm::mean(&Moments::default()), Reason::Treatment(UndefinedReason::NoUnits)),
        (arm, Arm::new(100, 5.0, 0.0), Reason::Treatment(UndefinedReason::NoVariance)),
        (arm, Arm::new(100, f64::NAN, 1.0), Reason::Treatment(UndefinedReason::NotFinite)),
        (arm, Arm::new(100, f64::MAX, f64::MAX), Reason::NotFinite),
    ] {
        assert_eq!(compare(&control, &treatment, &Options::default()).relative.reason(), Some(reason));
    }
    let options = Options { alpha: 0.0, ..Options::default() };
    assert_eq!(compare(&arm, &arm, &options).absolute.reason(), Some(Reason::AlphaOutOfRange));
}

#[test]
fn no_finite_input_gives_nan() {
    let extremes = [0.0, 1e-300, -1e-300, 1e-160, 1.0, -1.0, 1e150, -1e150, 1e300];
    for (mean_a, mean_b) in extremes.iter().flat_map(|a| extremes.map(|b| (*a, b))) {
        for (variance_a, variance_b) in extremes.iter().flat_map(|a| extremes.map(|b| (*a, b))) {
            for inference in
                [Inference::Fixed, Inference::Sequential { tuning: 1.0 }, Inference::Mixture { scale: 1.0 }]
            {
                let (control, treatment) =
                    (Arm::new(2, mean_a, variance_a), Arm::new(1_000_000, mean_b, variance_b));
                let comparison = compare(
                    &control,
                    &treatment,
                    &Options { inference: inference.clone(), ..Options::default() },
                );
                for estimate in
                    [comparison.absolute, comparison.relative].into_iter().filter_map(Outcome::value)
                {
                    assert!(
                        estimate.p.is_finite() && !estimate.interval.is_nan() && estimate.se.is_finite(),
                        "{estimate:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_adjusted_lift_never_contradicts_its_difference() {
    let pairs = |shift: f64| {
        CoMoments::from_pairs((0..200).map(move |i| {
            let before = f64::from(i * 37 % 101);
            (0.8 * before + f64::from(i * 53 % 23) + shift, before + f64::from(i * 13 % 7))
        }))
    };
    for step in -50..=50 {
        let adjusted = adjust(&pairs(0.0), &pairs(f64::from(step) * 0.05));
        let (absolute, relative) = estimates(adjusted.control, adjusted.treatment, &Options::default());
        assert_eq!(absolute.interval.contains(0.0), relative.interval.contains(0.0), "{step}");
        assert!(relative.interval.contains(relative.effect));
    }
}

/// At either end L of an adjusted arm's set, D - L m is q standard errors from 0, those taken from the units' own values.
#[test]
fn an_adjusted_set_ends_where_the_units_say() {
    let pairs = |arm: u32| -> Vec<(f64, f64)> {
        let unit = |i: u32| (f64::from((i * 37 + arm) % 101), f64::from(i * 53 % 23) + 12.0 * f64::from(arm));
        (0..400).map(unit).map(|(before, rest)| (0.3 * before + rest, before)).collect()
    };
    let (a, b) = (pairs(0), pairs(1));
    let adjusted = adjust(&CoMoments::from_pairs(a.clone()), &CoMoments::from_pairs(b.clone()));
    let theta = adjusted.theta;
    let (absolute, relative) = estimates(adjusted.control, adjusted.treatment, &Options::default());
    let treatment = Moments::from_values(b.iter().map(|(x, y)| x - theta * y));
    let q = (absolute.interval.hi() - absolute.effect) / absolute.se;
    for lift in relative.interval.ends() {
        let control = Moments::from_values(a.iter().map(|(x, y)| x - theta * y + lift * x));
        let variance = [control, treatment].iter().filter_map(Moments::variance).sum::<f64>() / 400.0;
        assert_near((treatment.mean - control.mean).abs() / variance.sqrt(), q, 1e-9);
    }
}
