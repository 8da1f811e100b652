//! The three reference distributions, as tails: survival functions, and the critical values that undo them.
//!
//! A p-value is a tail, and `1 - cdf` of a small tail is noise; so every distribution here offers its upper tail directly,
//! correct to about 1e-14 of its own size. `statrs` supplies first guesses and the incomplete gamma function. Its error function
//! is right to 1e-11 and its incomplete beta function loses digits as the degrees of freedom grow, so the normal and Student's
//! tails are integrated here.

mod chi_squared;
mod normal;
mod student_t;

pub use chi_squared::ChiSquared;
pub use normal::Normal;
pub use student_t::StudentT;

const MOST_STEPS: usize = 200;

/// Solves `survival(x) = tail` for a falling `survival` whose derivative is `-density`.
///
/// Newton's steps, kept inside a bracket that every step narrows; a step that leaves the bracket is replaced by its midpoint.
pub(crate) fn solve_tail(
    tail: f64,
    start: f64,
    least: f64,
    survival: impl Fn(f64) -> f64,
    density: impl Fn(f64) -> f64,
) -> f64 {
    let (mut low, mut high) = (least, f64::INFINITY);
    let mut x = start.max(least);
    for _ in 0..MOST_STEPS {
        let excess = survival(x) - tail;
        if excess > 0.0 {
            low = x;
        } else {
            high = x;
        }
        let newton = x + excess / density(x);
        let next = match (newton.is_finite() && newton > low && newton < high, high.is_finite()) {
            (true, _) => newton,
            (false, true) => 0.5 * (low + high),
            (false, false) => 2.0 * x.abs().max(1.0),
        };
        if excess == 0.0 || (next - x).abs() <= 2.0 * f64::EPSILON * x.abs() {
            return if excess == 0.0 { x } else { next };
        }
        x = next;
    }
    x
}

/// 1 + r₀ + r₀r₁ + r₀r₁r₂ + ..., for positive ratios that fall below 1, until a term no longer counts.
fn rising_series(ratio: impl Fn(f64) -> f64) -> f64 {
    let (mut term, mut sum, mut k) = (1.0, 1.0, 0.0);
    while term > 0.25 * f64::EPSILON * sum && k < 1000.0 {
        term *= ratio(k);
        sum += term;
        k += 1.0;
    }
    sum
}

/// ∫ exp(-w) g(w) dw over w > 0, to the last digits, for a positive g that is smooth from w = 0 on.
///
/// The double exponential rule w = exp(s - exp(-s)) with equal steps in s; the nodes reach from exp(-90) to exp(4), past all that
/// exp(-w) leaves. Source: Takahasi and Mori, Double exponential formulas for numerical integration (1974).
fn exponential_mean(g: impl Fn(f64) -> f64) -> f64 {
    const STEP: f64 = 1.0 / 16.0;
    let node = |index: i32| {
        let s = f64::from(index) * STEP;
        let w = (s - (-s).exp()).exp();
        w * (1.0 + (-s).exp()) * (-w).exp() * g(w)
    };
    STEP * (-72..=64).map(node).sum::<f64>()
}
