//! Directions and margins against scipy, over all kinds of inference; and what has no answer.

use tranche_stats::{
    Alternative, Arm, CoMoments, ConfidenceSequence, Estimate, GroupSequential, Inference, Interval, Margin,
    MixtureTest, Moments, Options, Outcome, Proportion, Reason, RelativeMethod, Spending, UndefinedReason,
    adjust, compare,
};

use Alternative::{Greater, Less, TwoSided};

fn arms() -> (Arm, Arm) {
    (Arm::new(1000, 10.0, 25.0), Arm::new(900, 9.7, 30.0))
}

fn estimates(options: &Options) -> (Estimate, Estimate) {
    let (control, treatment) = arms();
    let comparison = compare(&control, &treatment, options);
    match (comparison.absolute, comparison.relative) {
        (Outcome::Defined(absolute), Outcome::Defined(relative)) => (absolute, relative),
        other => panic!("undefined: {other:?}"),
    }
}

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-10 * expected.abs().max(1e-2), "{found}, not {expected}");
}

/// scipy 1.17.1: `ttest_ind_from_stats` without equal variances, the margin added to the treatment's mean; the relative one from
/// `t.sf` of (D + .05 m) / √(30/900 + .95² · 25/1000).
#[test]
fn one_look() {
    for (alternative, margin, p) in [
        (Greater, None, 0.892_823_818_196_268_4),
        (Greater, Some(Margin::Absolute(0.5)), 0.203_867_024_174_775_15),
        (Greater, Some(Margin::Absolute(0.6)), 0.107_176_181_803_732_94),
        (Less, None, 0.107_176_181_803_731_59),
        (Less, Some(Margin::Absolute(0.5)), 0.000_471_658_620_281_837_74),
        (Less, Some(Margin::Absolute(0.6)), 0.000_100_086_578_714_324),
        (Greater, Some(Margin::Relative(0.05)), 0.198_848_080_364_901_76),
    ] {
        let (absolute, relative) = estimates(&Options { alternative, margin, ..Options::default() });
        assert_near(absolute.p, p);
        assert_eq!(relative.p, absolute.p);
        match absolute.interval {
            Interval::AtLeast(lo) => assert_near(lo, -0.697_471_332_583_457_6),
            Interval::AtMost(hi) => assert_near(hi, 0.097_471_332_583_457_69),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_delta_method_asks_a_relative_margin_of_the_lift() {
    let options = Options { alternative: Greater, relative: RelativeMethod::Delta, ..Options::default() };
    let (_, relative) = estimates(&options);
    let with = |margin| estimates(&Options { margin: Some(margin), ..options.clone() });
    let (absolute, shifted) = with(Margin::Relative(0.05));
    // The t of .198848 is that of the difference; the lift's own is (-.03 + .05) / se.
    assert_near(absolute.p, 0.198_848_080_364_901_76);
    let student = tranche_stats::distribution::StudentT { df: 1_827.910_654_205_607_4 };
    assert_near(shifted.p, student.survival(0.02 / relative.se));
    let (absolute, shifted) = with(Margin::Absolute(0.5));
    assert_eq!(absolute.p, shifted.p);
}

#[test]
fn many_looks() {
    let design = GroupSequential { spending: Spending::Pocock, fractions: vec![0.25, 0.75], is_final: false };
    for alternative in [TwoSided, Greater, Less] {
        let sequence = ConfidenceSequence::one_sided(0.05, 2000.0, alternative)
            .value()
            .unwrap_or_else(|| panic!("undefined"));
        let mixture = MixtureTest::new(0.05, 0.4, alternative).value().unwrap_or_else(|| panic!("undefined"));
        let looks = design.looks(0.05, alternative).value().unwrap_or_default();
        for (inference, critical) in [
            (Inference::Sequential { tuning: 2000.0 }, sequence.critical(1900.0)),
            (Inference::Mixture { scale: 0.4 }, mixture.critical(25.0 / 1000.0 + 30.0 / 900.0)),
            (Inference::GroupSequential(design.clone()), looks[1].critical),
        ] {
            let (absolute, _) = estimates(&Options { inference, alternative, ..Options::default() });
            let reach = critical * absolute.se;
            let [lo, hi] = absolute.interval.ends();
            assert_near(if alternative == Less { -0.3 - reach } else { lo }, -0.3 - reach);
            assert_near(if alternative == Greater { -0.3 + reach } else { hi }, -0.3 + reach);
            assert!(absolute.p > 0.05 && absolute.p <= 1.0);
        }
    }
}

#[test]
fn a_margin_moves_the_p_value_and_not_the_interval() {
    for inference in [Inference::Sequential { tuning: 2000.0 }, Inference::Mixture { scale: 0.4 }] {
        let options = Options { inference, alternative: Greater, ..Options::default() };
        let ((plain, _), (with, _)) = (
            estimates(&options),
            estimates(&Options { margin: Some(Margin::Absolute(1.5)), ..options.clone() }),
        );
        assert_eq!(plain.interval, with.interval);
        assert!(plain.p > 0.5 && with.p < 0.05 && !with.interval.contains(-1.5), "{plain:?} {with:?}");
    }
}

#[test]
fn one_sided_intervals_serialise_with_an_open_end() -> Result<(), serde_json::Error> {
    let (absolute, relative) = estimates(&Options { alternative: Greater, ..Options::default() });
    let json = serde_json::to_value([absolute, relative])?;
    for estimate in [&json[0], &json[1]] {
        assert!(estimate["ci"][0].is_f64() && estimate["ci"][1].is_null(), "{estimate}");
        assert!(estimate.get("unbounded").is_none());
    }
    Ok(())
}

/// Each kind of arm that has no answer, under each kind of inference.
#[test]
fn every_lack_is_named() {
    let arm = Arm::mean(&Moments::from_values([1.0, 2.0, 4.0]));
    let pairs = CoMoments::from_pairs([(1.0, 2.0), (3.0, 4.0), (2.0, 9.0)]);
    let design = GroupSequential::evenly(Spending::OBrienFleming, 2);
    for inference in [
        Inference::Fixed,
        Inference::Sequential { tuning: 100.0 },
        Inference::Mixture { scale: 1.0 },
        Inference::GroupSequential(design),
    ] {
        let options = Options { inference, ..Options::default() };
        for (lacking, lack) in [
            (Arm::mean(&Moments::default()), UndefinedReason::NoUnits),
            (Arm::mean(&Moments::from_values([3.0])), UndefinedReason::OneUnit),
            (Arm::mean(&Moments::from_values([3.0; 5])), UndefinedReason::NoVariance),
            (Arm::proportion(&Proportion::from_counts(7, 7)), UndefinedReason::NoVariance),
            (Arm::proportion(&Proportion::from_counts(7, 8)), UndefinedReason::MoreSuccessesThanUnits),
            (Arm::ratio(&CoMoments::from_pairs([(1.0, 1.0), (2.0, -1.0)])), UndefinedReason::ZeroDenominator),
            (adjust(&CoMoments::default(), &pairs).control, UndefinedReason::NoUnits),
        ] {
            let as_control = compare(&lacking, &arm, &options);
            assert_eq!(as_control.absolute.reason(), Some(Reason::Control(lack)));
            assert_eq!(compare(&arm, &lacking, &options).relative.reason(), Some(Reason::Treatment(lack)));
        }
        let zero = compare(&Arm::new(50, 0.0, 1.0), &arm, &options);
        assert!(zero.absolute.value().is_some());
        assert_eq!(zero.relative.reason(), Some(Reason::ControlMeanZero));
        let negative =
            compare(&Arm::new(50, -4.0, 0.01), &Arm::new(50, -2.0, 0.01), &options).relative.value();
        assert!(negative.is_some_and(|lift| lift.effect == 0.5 && lift.interval.lo() > 0.0), "{negative:?}");
    }
}

#[test]
fn a_question_that_makes_no_sense_is_named() {
    let (control, treatment) = arms();
    let reason = |options: Options| compare(&control, &treatment, &options).absolute.reason();
    let default = Options::default;
    for (options, expected) in [
        (Options { margin: Some(Margin::Absolute(0.1)), ..default() }, Reason::MarginWithoutDirection),
        (
            Options { margin: Some(Margin::Relative(-0.1)), alternative: Less, ..default() },
            Reason::MarginOutOfRange,
        ),
        (Options { inference: Inference::Mixture { scale: 0.0 }, ..default() }, Reason::ParameterNotPositive),
        (
            Options { inference: Inference::Sequential { tuning: f64::NAN }, ..default() },
            Reason::ParameterNotPositive,
        ),
        (
            Options {
                inference: Inference::GroupSequential(GroupSequential::evenly(Spending::Pocock, 0)),
                ..default()
            },
            Reason::LooksDoNotRise,
        ),
        (Options { alpha: f64::NAN, ..default() }, Reason::AlphaOutOfRange),
    ] {
        assert_eq!(reason(options), Some(expected));
    }
}
