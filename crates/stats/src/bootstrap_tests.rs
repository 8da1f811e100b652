//! The bootstrap against scipy's, and what it refuses.

use super::*;

const CONTROL: [f64; 20] =
    [0.2, 1.7, 0.4, 3.1, 0.9, 0.1, 5.6, 0.3, 1.1, 0.8, 2.4, 0.6, 0.05, 7.9, 1.3, 0.7, 0.2, 2.2, 1.9, 0.5];
const TREATMENT: [f64; 18] =
    [1.2, 0.9, 2.8, 0.4, 6.1, 1.5, 3.3, 0.7, 9.8, 1.1, 2.6, 0.3, 4.4, 1.8, 0.6, 2.1, 1.4, 0.2];

fn difference(control: &[usize], treatment: &[usize]) -> f64 {
    let mean = |values: &[f64], units: &[usize]| {
        units.iter().map(|unit| values[*unit]).sum::<f64>() / units.len() as f64
    };
    mean(&TREATMENT, treatment) - mean(&CONTROL, control)
}

fn estimate(bootstrap: Bootstrap) -> BootstrapEstimate {
    bootstrap.estimate(20, 18, difference).value().unwrap_or_else(|| panic!("undefined"))
}

/// scipy 1.17.1, `bootstrap` with 400,000 resamples; ends of 20,000 have a standard error of about .015.
#[test]
fn intervals_are_those_of_scipy() {
    for (method, lo, hi) in [
        (BootstrapMethod::Percentile, -0.654_44, 2.120_56),
        (BootstrapMethod::BiasCorrected, -0.578_89, 2.215_83),
    ] {
        let found = estimate(Bootstrap { replicates: 20_000, seed: 11, method, ..Bootstrap::default() });
        assert!(
            (found.interval[0] - lo).abs() < 0.05 && (found.interval[1] - hi).abs() < 0.05,
            "{method:?}: {found:?}"
        );
        assert!((found.se - 0.705_6).abs() < 0.012, "{found:?}");
    }
}

#[test]
fn the_acceleration_is_that_of_scipy() {
    let all = [(0..20).collect::<Vec<_>>(), (0..18).collect()];
    let found = acceleration(&all, |units| Ok(difference(&units[0], &units[1]))).unwrap_or_default();
    assert!((found - 0.018_961_179_375_971_183).abs() < 1e-14, "{found}");
}

#[test]
fn without_bias_and_skewness_the_levels_are_those_of_the_percentiles() {
    let [lo, hi] = corrected_levels(0.05, 0.0, 0.0);
    assert!((lo - 0.025).abs() < 1e-15 && (hi - 0.975).abs() < 1e-15);
    assert!(corrected_levels(0.05, 0.0, 0.02)[0] > 0.025);
}

#[test]
fn a_seed_repeats_itself() {
    let bootstrap = Bootstrap { replicates: 200, ..Bootstrap::default() };
    assert_eq!(estimate(bootstrap), estimate(bootstrap));
    assert_ne!(estimate(bootstrap).interval, estimate(Bootstrap { seed: 2, ..bootstrap }).interval);
}

#[test]
fn what_cannot_be_resampled_has_a_reason() {
    let bootstrap = Bootstrap { replicates: 50, ..Bootstrap::default() };
    assert_eq!(
        bootstrap.estimate(1, 18, difference).reason(),
        Some(Reason::Control(UndefinedReason::OneUnit))
    );
    assert_eq!(
        bootstrap.estimate(20, 0, difference).reason(),
        Some(Reason::Treatment(UndefinedReason::NoUnits))
    );
    let once = Bootstrap { replicates: 1, ..bootstrap };
    assert_eq!(once.estimate(20, 18, difference).reason(), Some(Reason::ParameterNotPositive));
    assert_eq!(bootstrap.estimate(20, 18, |_, _| f64::NAN).reason(), Some(Reason::ResamplesUndefined));
    let alpha = Bootstrap { alpha: 1.0, ..bootstrap };
    assert_eq!(alpha.estimate(20, 18, difference).reason(), Some(Reason::AlphaOutOfRange));
}
