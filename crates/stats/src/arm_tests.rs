//! What each kind of arm is, and what it lacks.

use super::*;
use crate::PairSums;

#[test]
fn each_arm_says_what_it_lacks() {
    let reasons = [
        (Arm::mean(&Moments::default()), UndefinedReason::NoUnits),
        (Arm::mean(&Moments::from_values([3.0])), UndefinedReason::OneUnit),
        (Arm::mean(&Moments::from_values([3.0, 3.0])), UndefinedReason::NoVariance),
        (Arm::mean(&Moments::from_sums(2, f64::MAX, f64::INFINITY)), UndefinedReason::NotFinite),
        (Arm::proportion(&Proportion::from_counts(0, 0)), UndefinedReason::NoUnits),
        (Arm::proportion(&Proportion::from_counts(9, 0)), UndefinedReason::NoVariance),
        (Arm::proportion(&Proportion::from_counts(9, 9)), UndefinedReason::NoVariance),
        (Arm::proportion(&Proportion::from_counts(9, 10)), UndefinedReason::MoreSuccessesThanUnits),
        (Arm::ratio(&CoMoments::from_pairs([(1.0, 0.0), (2.0, 0.0)])), UndefinedReason::ZeroDenominator),
        (Arm::ratio(&CoMoments::from_pairs([(1.0, 1.0)])), UndefinedReason::OneUnit),
        (
            Arm::ratio(&CoMoments::from_pairs([(0.3, 0.1), (0.6, 0.2), (2.1, 0.7)])),
            UndefinedReason::NoVariance,
        ),
    ];
    for (arm, reason) in reasons {
        assert_eq!(arm.variance, Err(reason), "{arm:?}");
        assert!(arm.mean.is_finite());
    }
}

#[test]
fn an_outcome_that_the_covariate_explains_keeps_its_mean_and_loses_its_variance() {
    let control =
        CoMoments::from_pairs((0..50).map(|i| (2.0 * f64::from(i) + f64::from(i % 2), f64::from(i))));
    let treatment =
        CoMoments::from_pairs((10..60).map(|i| (2.0 * f64::from(i) + f64::from(i % 2) + 1.0, f64::from(i))));
    let adjusted = adjust(&control, &treatment);
    assert!((adjusted.theta - 2.0).abs() < 0.05, "{}", adjusted.theta);
    assert!((adjusted.treatment.mean - adjusted.control.mean - 1.0).abs() < 0.5);
    assert!(adjusted.control.variance.unwrap_or(f64::MAX) < 1.0);
    assert_eq!(adjusted.control.baseline.mean, control.mean_x);
}

#[test]
fn a_covariate_that_does_not_vary_adjusts_nothing() {
    let pairs = CoMoments::from_pairs([(1.0, 5.0), (2.0, 5.0), (4.0, 5.0)]);
    let adjusted = adjust(&pairs, &pairs);
    assert_eq!(adjusted.theta, 0.0);
    assert_eq!(adjusted.control, Arm::mean(&pairs.x()));
}

#[test]
fn a_ratio_by_ones_is_a_mean() {
    let sums = PairSums {
        n: 4,
        sum_x: 14.0,
        sum_y: 4.0,
        sum_squares_x: 62.0,
        sum_squares_y: 4.0,
        sum_products: 14.0,
    };
    assert_eq!(Arm::ratio(&CoMoments::from_sums(&sums)), Arm::mean(&Moments::from_sums(4, 14.0, 62.0)));
}

#[test]
fn the_standard_error_is_that_of_the_mean() {
    assert_eq!(Arm::new(25, 3.0, 4.0).standard_error(), Ok(0.4));
}
