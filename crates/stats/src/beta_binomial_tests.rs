//! Beta-binomial posteriors against adaptive quadrature.

use super::*;

fn posterior(control: (u64, u64), treatment: (u64, u64), prior: BetaPrior) -> SharePosterior {
    let arm = |(n, successes)| Proportion::from_counts(n, successes);
    let options = ShareOptions { prior, ..ShareOptions::default() };
    share_posterior(&arm(control), &arm(treatment), &options).value().unwrap_or_else(|| panic!("undefined"))
}

/// scipy 1.17.1: `beta` and `quad` with 1e-13, `brentq` for the ends.
#[test]
fn it_agrees_with_adaptive_quadrature() {
    let check = |control, treatment, [win, gain, loss]: [f64; 3], intervals: [[f64; 2]; 4]| {
        let found = posterior(control, treatment, BetaPrior::default());
        let near =
            |found: f64, expected: f64| assert!((found - expected).abs() < 2e-8, "{found}, not {expected}");
        near(found.chance_to_win, win);
        near(found.risk_control, gain);
        near(found.risk_treatment, loss);
        let ends = [
            found.difference_interval,
            found.lift_interval,
            found.control_interval,
            found.treatment_interval,
        ];
        for (found, expected) in ends.iter().zip(intervals) {
            assert!(
                (found[0] - expected[0]).abs() < 1e-6 && (found[1] - expected[1]).abs() < 1e-6,
                "{found:?}, not {expected:?}"
            );
        }
    };
    check(
        (1000, 100),
        (1000, 120),
        [0.923_183_438_973_559_3, 0.020_444_693_766_675_796, 0.000_484_613_926_356_443_87],
        [
            [-0.007_470_692_707_560_913, 0.047_469_692_724_217_555],
            [-0.065_360_432_110_982_89, 0.540_838_193_099_649_4],
            [0.082_936_4, 0.120_169_13],
            [0.101_323_42, 0.141_627],
        ],
    );
    check(
        (20, 2),
        (20, 5),
        [0.881_040_515_186_856_4, 0.143_411_102_855_232_2, 0.007_047_466_491_595_815],
        [
            [-0.093_870_320_723_233_79, 0.368_812_262_829_933_5],
            [-0.382_403_642_615_278_8, 8.650_141_551_129_945],
            [0.030_488_97, 0.303_774_41],
            [0.112_809_4, 0.471_659_83],
        ],
    );
    check(
        (44_700, 8_502),
        (45_489, 8_279),
        [0.000_777_338_664_576_230_2, 5.478_131_606_408_351e-7, 0.008_201_725_960_210_992],
        [
            [-0.013_281_711_160_118_633, -0.003_121_210_070_438_758_3],
            [-0.068_890_213_768_980_37, -0.016_634_010_795_454_755],
            [0.186_590_16, 0.193_866_5],
            [0.178_481_57, 0.185_572_96],
        ],
    );
    check(
        (0, 0),
        (4, 3),
        [0.666_666_666_666_666_7, 0.238_095_238_095_238_08, 0.071_428_571_428_571_42],
        [
            [-0.479_252_336_188_986_6, 0.780_827_811_893_726_1],
            [-0.567_023_503_125_317_8, 25.666_666_666_666_533],
            [0.025, 0.975],
            [0.283_582_06, 0.947_254_95],
        ],
    );
}

#[test]
fn arms_may_differ_in_size_by_far() {
    let found = posterior((50, 10), (10_000_000, 2_000_000), BetaPrior { successes: 0.5, failures: 0.5 });
    let mirrored = posterior((10_000_000, 2_000_000), (50, 10), BetaPrior { successes: 0.5, failures: 0.5 });
    assert!((found.chance_to_win + mirrored.chance_to_win - 1.0).abs() < 1e-8);
    assert!((found.difference_interval[0] + mirrored.difference_interval[1]).abs() < 1e-8);
    assert!((found.risk_control - mirrored.risk_treatment).abs() < 1e-9);
}

#[test]
fn what_has_no_posterior_says_why() {
    let (control, broken) = (Proportion::from_counts(10, 3), Proportion::from_counts(3, 10));
    let reason = |treatment, options| share_posterior(&control, &treatment, &options).reason();
    assert_eq!(
        reason(broken, ShareOptions::default()),
        Some(Reason::Treatment(UndefinedReason::MoreSuccessesThanUnits))
    );
    let prior = BetaPrior { successes: 0.0, failures: 1.0 };
    assert_eq!(
        reason(control, ShareOptions { prior, ..ShareOptions::default() }),
        Some(Reason::ParameterNotPositive)
    );
    assert_eq!(
        reason(control, ShareOptions { alpha: 0.0, ..ShareOptions::default() }),
        Some(Reason::AlphaOutOfRange)
    );
    let lower = ShareOptions { direction: Direction::LowerIsBetter, ..ShareOptions::default() };
    let found = share_posterior(&control, &control, &lower).value();
    assert!(found.is_some_and(|found| (found.chance_to_win - 0.5).abs() < 1e-9));
}

/// scipy 1.17.1: `quad` over the control's density, within the integrand `quad` over the treatment's distribution for the loss.
#[test]
fn a_lift_has_the_moments_of_quadrature() {
    for (control, treatment, difference_se, [mean, se, loss], [above, above_margin]) in [
        (
            (1000, 100),
            (1000, 120),
            0.014_008_043_442_011_68,
            [0.208_792_415_169_655_85, 0.154_881_796_465_687_25, 0.004_170_339_052_553_631],
            [0.761_667_308_387_159_6, 0.988_020_249_740_765_3],
        ),
        (
            (20, 2),
            (20, 5),
            0.117_235_493_675_603_87,
            [1.863_636_363_636_363_6, 3.038_160_103_810_396, 0.028_446_833_324_881_418],
            [0.863_129_552_924_464_7, 0.911_778_490_830_489_8],
        ),
    ] {
        let found = posterior(control, treatment, BetaPrior::default());
        let Some(lift) = found.lift else { panic!("no lift") };
        for (found, expected) in [
            (found.difference_se, difference_se),
            (lift.mean, mean),
            (lift.se, se),
            (lift.risk_treatment, loss),
            (lift.risk_control - lift.risk_treatment, mean),
            (found.chance_difference_above(0.01), above),
            (found.chance_lift_above(-0.1), above_margin),
            (found.chance_difference_above(0.0), found.chance_to_win),
        ] {
            assert!((found - expected).abs() < 2e-8, "{found}, not {expected}");
        }
    }
    assert_eq!(
        posterior((20, 1), (20, 5), BetaPrior::default()).lift,
        None,
        "1 / control has no mean square"
    );
}

#[test]
fn tails_agree_with_intervals() {
    let found = posterior((1000, 100), (1000, 120), BetaPrior::default());
    let [lo, hi] = found.difference_interval;
    assert!(
        (found.chance_difference_above(lo) - 0.975).abs() < 1e-9
            && (found.chance_difference_above(hi) - 0.025).abs() < 1e-9
    );
    let [lo, hi] = found.lift_interval;
    assert!(
        (found.chance_lift_above(lo) - 0.975).abs() < 1e-9
            && (found.chance_lift_above(hi) - 0.025).abs() < 1e-9
    );
    assert!((found.two_tailed() - 2.0 * (1.0 - found.chance_to_win)).abs() < 1e-12);
}
