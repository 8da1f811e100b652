//! Where a monotone function crosses zero.

use crate::Reason;

const MOST_STEPS: usize = 200;

/// The x between `low` and `high` at which a falling `f` crosses zero: to within `tolerance` of x, or where f is within it of 0.
///
/// The end that is nearer when `f` does not change its sign. False position with the Illinois rule; its steps fall back to halving
/// where an end is not finite.
pub(crate) fn falling_root(
    (mut low, mut high): (f64, f64),
    tolerance: f64,
    f: impl Fn(f64) -> Result<f64, Reason>,
) -> Result<f64, Reason> {
    let (mut at_low, mut at_high) = (f(low)?, f(high)?);
    if at_low <= 0.0 || at_high >= 0.0 {
        return Ok(if at_low <= 0.0 { low } else { high });
    }
    let mut middle = 0.5 * (low + high);
    let mut was_positive = None;
    for step in 0..MOST_STEPS {
        let secant = (low * at_high - high * at_low) / (at_high - at_low);
        // Every eighth step halves, so that a function that is flat on one side costs little more than a bisection.
        middle = if secant > low && secant < high && step % 8 != 7 { secant } else { 0.5 * (low + high) };
        let value = f(middle)?;
        if value.abs() <= tolerance || high - low <= tolerance {
            break;
        }
        // An end that stays for a second time counts half, so that it is left soon.
        let again = was_positive == Some(value > 0.0);
        if value > 0.0 {
            (low, at_low) = (middle, value);
            at_high *= if again { 0.5 } else { 1.0 };
        } else {
            (high, at_high) = (middle, value);
            at_low *= if again { 0.5 } else { 1.0 };
        }
        was_positive = Some(value > 0.0);
    }
    Ok(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_crossing_or_the_nearer_end() {
        for (ends, f, expected) in [
            ((0.0, 4.0), (|x: f64| 2.0 - x * x) as fn(f64) -> f64, std::f64::consts::SQRT_2),
            ((0.0, 1e6), |x: f64| (-x).exp() - 1e-3, 6.907_755_278_982_137),
            ((0.0, 1.0), |x: f64| 2.0 - x, 1.0),
            ((0.0, 1.0), |x: f64| -1.0 - x, 0.0),
        ] {
            let root = falling_root(ends, 1e-13, |x| Ok(f(x))).unwrap_or(f64::NAN);
            assert!((root - expected).abs() < 1e-9, "{root}, not {expected}");
        }
    }
}
