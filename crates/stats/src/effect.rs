//! The difference of two arms and what it is relative to, before any question is asked of it.

use crate::{Arm, Reason};

/// Means compared: variances here are those of the means, already divided by n.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effect {
    /// Treatment minus control.
    pub(crate) difference: f64,
    /// Its variance, vA + vB.
    pub(crate) variance: f64,
    /// Welch and Satterthwaite's degrees of freedom.
    pub(crate) degrees_of_freedom: f64,
    /// Units in both arms.
    pub(crate) units: f64,
    /// The control's observed mean.
    pub(crate) baseline: f64,
    pub(crate) baseline_variance: f64,
    /// Covariance of the observed with the (adjusted) control mean.
    pub(crate) baseline_covariance: f64,
    /// The delta method's variance of the lift; meaningless for a baseline of zero.
    lift_variance: f64,
}

impl Effect {
    pub(crate) fn of(control: &Arm, treatment: &Arm) -> Result<Self, Reason> {
        let (a, b) = (control.baseline.mean, treatment.baseline.mean);
        let (n_a, n_b) = (control.n as f64, treatment.n as f64);
        let v_a = control.variance.map_err(Reason::Control)? / n_a;
        let v_b = treatment.variance.map_err(Reason::Treatment)? / n_b;
        let variance = v_a + v_b;
        let share = v_a / variance;
        let degrees_of_freedom =
            1.0 / (share * share / (n_a - 1.0) + (1.0 - share) * (1.0 - share) / (n_b - 1.0));
        let ratio = b / a;
        let effect = Self {
            difference: treatment.mean - control.mean,
            variance,
            degrees_of_freedom,
            units: n_a + n_b,
            baseline: a,
            baseline_variance: control.baseline.variance / n_a,
            baseline_covariance: control.baseline.covariance / n_a,
            lift_variance: (v_b + v_a * ratio * ratio) / (a * a),
        };
        let usable = effect.difference.is_finite()
            && variance.is_finite()
            && variance > 0.0
            && degrees_of_freedom > 0.0;
        if usable { Ok(effect) } else { Err(Reason::NotFinite) }
    }

    /// D - L |m| and its variance, D the difference, m the observed control mean and L a lift: 0 on average when L is the lift.
    pub(crate) fn beyond_lift(&self, lift: f64) -> (f64, f64) {
        let covariance = self.baseline_covariance * self.baseline.signum();
        let variance = self.variance + lift * (lift * self.baseline_variance + 2.0 * covariance);
        (self.difference - lift * self.baseline.abs(), variance)
    }

    /// (mB - mA) / |mA| and its variance by the delta method, vB / mA² + vA mB² / mA⁴.
    pub(crate) fn lift(&self) -> Result<(f64, f64), Reason> {
        if self.baseline == 0.0 {
            return Err(Reason::ControlMeanZero);
        }
        let lift = self.difference / self.baseline.abs();
        let usable = lift.is_finite() && self.lift_variance.is_finite() && self.lift_variance > 0.0;
        if usable { Ok((lift, self.lift_variance)) } else { Err(Reason::NotFinite) }
    }
}
