//! Boundaries, powers and p-values against another integration: scipy 1.17.1, Simpson's rule on 6001 points per look, and for two
//! looks adaptive quadrature.

use super::*;

const TWO: Alternative = Alternative::TwoSided;

fn design(spending: Spending, fractions: &[f64]) -> GroupSequential {
    GroupSequential { spending, fractions: fractions.to_vec(), is_final: false }
}

fn criticals(design: &GroupSequential, alpha: f64, alternative: Alternative) -> Vec<f64> {
    design.looks(alpha, alternative).value().unwrap_or_default().iter().map(|look| look.critical).collect()
}

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    let near =
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance);
    assert!(near, "{found:?}, not {expected:?}");
}

const FIFTHS: [f64; 5] = [0.2, 0.4, 0.6, 0.8, 1.0];

#[test]
fn boundaries_are_exact() {
    use Alternative::{Greater, Less};
    use Spending::{OBrienFleming, Pocock, Power};
    for (spending, fractions, alpha, alternative, expected) in [
        (
            OBrienFleming,
            &FIFTHS[..],
            0.05,
            TWO,
            &[4.876_884_949, 3.357_011_922, 2.680_280_065, 2.289_816_768, 2.031_032_043][..],
        ),
        (
            Pocock,
            &FIFTHS,
            0.05,
            TWO,
            &[2.437_976_688, 2.426_813_858, 2.410_193_840, 2.396_645_401, 2.385_984_572],
        ),
        (
            Power { rho: 2.0 },
            &FIFTHS,
            0.05,
            TWO,
            &[3.090_232_306, 2.714_111_576, 2.472_777_202, 2.279_863_269, 2.114_027_423],
        ),
        (
            OBrienFleming,
            &FIFTHS,
            0.025,
            Greater,
            &[4.876_884_949, 3.357_011_922, 2.680_280_065, 2.289_816_768, 2.031_032_043],
        ),
        (
            Pocock,
            &FIFTHS,
            0.05,
            Less,
            &[2.176_211_453, 2.143_747_712, 2.113_285_263, 2.089_599_185, 2.070_998_375],
        ),
        (
            Power { rho: 3.0 },
            &[0.13, 0.5, 0.57, 1.0],
            0.05,
            TWO,
            &[3.867_737_104, 2.738_867_594, 2.707_018_546, 1.993_757_410],
        ),
        (
            OBrienFleming,
            &[0.25, 0.3, 0.9, 1.0],
            0.01,
            TWO,
            &[5.492_961_025, 4.997_234_177, 2.738_336_201, 2.642_231_788],
        ),
        (Pocock, &[1.0], 0.05, TWO, &[1.959_963_985]),
    ] {
        assert_near(&criticals(&design(spending, fractions), alpha, alternative), expected, 2e-9);
    }
}

/// Published figures of a program with a coarser grid, which leave the exact boundary in the fifth decimal: its second look is
/// 2.714111576 by adaptive quadrature of the bivariate normal density too.
#[test]
fn boundaries_agree_with_published_ones() {
    let expected = [3.090_232, 2.714_078, 2.472_737, 2.279_811, 2.113_968];
    assert_near(&criticals(&design(Spending::Power { rho: 2.0 }, &FIFTHS), 0.05, TWO), &expected, 1e-4);
}

#[test]
fn many_looks_spend_what_they_may() {
    let daily = GroupSequential::evenly(Spending::Pocock, 60);
    let power = daily.power(0.05, TWO, 0.0).value();
    assert!(power.is_some_and(|power| (power - 0.05).abs() < 1e-9), "{power:?}");
}

#[test]
fn power_under_a_drift() {
    // The drifts at which the design has this power, found by scipy's brentq.
    for (spending, alpha, alternative, power, inflation) in [
        (Spending::OBrienFleming, 0.05, TWO, 0.9, 1.023_077_863_286_885_5),
        (Spending::Pocock, 0.05, TWO, 0.8, 1.212_417_317_375_592_3),
        (Spending::OBrienFleming, 0.025, Alternative::Less, 0.9, 1.023_078_326_141_0),
    ] {
        use crate::distribution::Normal;
        let fixed = Normal.critical(alpha / alternative.sides()) + Normal.critical(1.0 - power);
        let drift = fixed * f64::sqrt(inflation) * if alternative == Alternative::Less { -1.0 } else { 1.0 };
        let found = design(spending, &FIFTHS).power(alpha, alternative, drift).value().unwrap_or_default();
        assert!((found - power).abs() < 1e-5, "{found}");
    }
}

#[test]
fn alpha_is_spent_as_the_function_says() {
    let looks =
        design(Spending::Power { rho: 2.0 }, &[0.5, 0.8]).looks(0.05, TWO).value().unwrap_or_default();
    assert_near(&[looks[0].spent, looks[1].spent], &[0.0125, 0.032], 1e-15);
    assert_eq!([looks[0].number, looks[1].number], [1, 2]);
    let ended = GroupSequential { is_final: true, ..design(Spending::Power { rho: 2.0 }, &[0.5, 0.8]) };
    let last = ended.looks(0.05, TWO).value().unwrap_or_default()[1];
    assert!((last.spent - 0.05).abs() < 1e-15 && last.critical < looks[1].critical);
    let overrun =
        design(Spending::Power { rho: 2.0 }, &[0.5, 1.2]).looks(0.05, TWO).value().unwrap_or_default();
    assert_eq!(overrun[1].spent, 0.05);
    let after_the_end = design(Spending::Pocock, &[1.0, 1.2]).looks(0.05, TWO).value().unwrap_or_default();
    assert_eq!(after_the_end[1].critical, f64::INFINITY);
}

#[test]
fn repeated_p_values() {
    let spending = Spending::Power { rho: 2.0 };
    for (fractions, z, p) in
        [(&[0.2, 0.4][..], 2.5, 0.092_160_018_496), (&[0.2, 0.4, 0.6], -2.2, 0.100_231_669_170)]
    {
        let found = design(spending, fractions).p_value(z, TWO).value().unwrap_or_default();
        assert!((found - p).abs() < 1e-9, "{found}, not {p}");
    }
    for spending in [Spending::OBrienFleming, Spending::Pocock, spending] {
        for alternative in [TWO, Alternative::Greater] {
            let design = design(spending, &[0.3, 0.7]);
            for alpha in [1e-40, 1e-9, 0.01, 0.05, 0.3] {
                let critical = design.critical(alpha, alternative).unwrap_or_default();
                let p = design.p_value(critical, alternative).value().unwrap_or_default();
                assert!((p / alpha - 1.0).abs() < 1e-6, "{spending:?} {alpha}: {p}");
            }
            assert_eq!(design.p_value(0.0, TWO).value(), Some(1.0));
        }
    }
}

#[test]
fn nonsense_has_a_reason() {
    let reason = |design: GroupSequential, alpha| design.looks(alpha, TWO).reason();
    for fractions in [&[][..], &[0.0, 0.5], &[0.5, 0.5], &[0.6, 0.5], &[0.5, f64::NAN], &[f64::INFINITY]] {
        assert_eq!(
            reason(design(Spending::Pocock, fractions), 0.05),
            Some(Reason::LooksDoNotRise),
            "{fractions:?}"
        );
    }
    assert_eq!(reason(design(Spending::Pocock, &[1.0]), 1.0), Some(Reason::AlphaOutOfRange));
    assert_eq!(
        reason(design(Spending::Power { rho: 0.0 }, &[1.0]), 0.05),
        Some(Reason::ParameterNotPositive)
    );
}
