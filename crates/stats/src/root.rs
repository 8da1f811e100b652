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
    for step in 0..MOST_STEPS {
        let secant = (low * at_high - high * at_low) / (at_high - at_low);
        // Every fourth step halves, so that a function that is flat on one side costs no more than a bisection.
        middle = if secant > low && secant < high && step % 4 != 3 { secant } else { 0.5 * (low + high) };
        let value = f(middle)?;
        if value.abs() <= tolerance || high - low <= tolerance {
            break;
        }
        if value > 0.0 {
            (low, at_low, at_high) = (middle, value, 0.5 * at_high);
        } else {
            (high, at_high, at_low) = (middle, value, 0.5 * at_low);
        }
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
