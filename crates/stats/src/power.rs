//! Planning: how many units an experiment needs, and what it can see with those it has.

use crate::distribution::Normal;
use crate::root::falling_root;
use crate::{Alternative, GroupSequential, Outcome, Reason};

/// What a comparison of two means will be like. The default: alpha .05, two-sided, arms of one size and a variance of 1, one look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The chance of a false alarm, in (0, 1).
    pub alpha: f64,
    /// The direction of the test.
    pub alternative: Alternative,
    /// Units of the treatment for each one of the control.
    pub ratio: f64,
    /// The control's variance per unit: p (1 - p) for a share of successes.
    pub control_variance: f64,
    /// The treatment's variance per unit.
    pub treatment_variance: f64,
    /// The share of both variances that an adjustment takes away, in [0, 1): CUPED's is the squared correlation with its covariate.
    pub variance_reduction: f64,
    /// What the tolerated loss adds to every effect: a non-inferiority margin, absolute; 0 without.
    pub margin: f64,
    /// How many times the units of a single look are needed: [`GroupSequential::inflation`]; 1 for a single look.
    pub inflation: f64,
}

/// Units per arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleSize {
    /// Units of the control.
    pub control: u64,
    /// Units of the treatment.
    pub treatment: u64,
}

const DEFAULT: Plan = Plan {
    alpha: 0.05,
    alternative: Alternative::TwoSided,
    ratio: 1.0,
    control_variance: 1.0,
    treatment_variance: 1.0,
    variance_reduction: 0.0,
    margin: 0.0,
    inflation: 1.0,
};

impl Default for Plan {
    fn default() -> Self {
        DEFAULT
    }
}

/// Steps until units and what they cost agree.
const STEPS: usize = 60;

/// An experiment of more standard errors than this sees everything.
const MOST_ERRORS: f64 = 1e3;

impl Plan {
    /// The power to find `effect`, absolute and in the metric's unit, with `control` units in the control arm.
    ///
    /// P(Z > z - δ) with δ = (effect + margin) / se and P(Z > z) = alpha, or alpha / 2 and both tails for two sides; the normal
    /// approximation. Source: Chow, Shao, Wang and Lokhnygina, Sample size calculations in clinical research, 3rd edition, chapter 3.
    pub fn power(&self, control: f64, effect: f64) -> Outcome<f64> {
        let power = || {
            let se = (self.unit_variance()? / self.positive(control)?).sqrt();
            Ok(self.power_at(self.toward(effect)? / se))
        };
        power().into()
    }

    /// The units needed to find `effect` with the given `power`, rounded up.
    ///
    /// ```
    /// use tranche_stats::Plan;
    /// let units = Plan { control_variance: 0.09, treatment_variance: 0.09, ..Plan::default() }.sample_size(0.03, 0.8).value();
    /// assert_eq!(units.map(|units| units.control), Some(1570));
    /// ```
    pub fn sample_size(&self, effect: f64, power: f64) -> Outcome<SampleSize> {
        let size = || {
            let distance = self.toward(effect)?;
            if distance.is_nan() || distance <= 0.0 {
                return Err(Reason::EffectNotTowardsAlternative);
            }
            let control = self.unit_variance()? * (self.errors_needed(power)? / distance).powi(2);
            let (control, treatment) = (control.ceil(), (control * self.ratio).ceil());
            let countable = control < 9e15 && treatment < 9e15;
            if countable {
                Ok(SampleSize { control: control as u64, treatment: treatment as u64 })
            } else {
                Err(Reason::NotFinite)
            }
        };
        size().into()
    }

    /// The units needed where the inflation itself depends on the units of the control: the fixed point of both, approached
    /// halfway in logarithms, because below its tuning a confidence sequence needs the fewer units the more there are.
    ///
    /// ```
    /// use tranche_stats::{Outcome, Plan};
    /// let plan = Plan::default();
    /// let constant = plan.sample_size_inflated(0.1, 0.8, |_| Outcome::Defined(1.5)).value();
    /// assert_eq!(constant, Plan { inflation: 1.5, ..plan }.sample_size(0.1, 0.8).value());
    /// ```
    pub fn sample_size_inflated(
        &self,
        effect: f64,
        power: f64,
        inflation: impl Fn(f64) -> Outcome<f64>,
    ) -> Outcome<SampleSize> {
        let sized = |inflation: f64| Self { inflation, ..*self }.sample_size(effect, power).into_result();
        let size = || {
            let mut current = 1.0;
            let mut size = sized(current)?;
            for _ in 0..STEPS {
                let next = inflation(size.control as f64).into_result()?;
                let damped = f64::sqrt(current * next);
                if (damped / current - 1.0).abs() < 1e-9 {
                    break;
                }
                current = damped;
                size = sized(current)?;
            }
            Ok(size)
        };
        size().into()
    }

    /// The variance of the effect with `control` units in the control arm.
    pub fn effect_variance(&self, control: f64) -> Outcome<f64> {
        let variance = || Ok(self.unit_variance()? / self.positive(control)?);
        variance().into()
    }

    /// The least effect found with the given `power` by `control` units in the control arm: its size in the direction of the
    /// alternative. With a margin it may be negative: a loss that still shows as tolerable.
    pub fn detectable_effect(&self, control: f64, power: f64) -> Outcome<f64> {
        let effect = || {
            let se = (self.unit_variance()? / self.positive(control)?).sqrt();
            Ok(self.errors_needed(power)? * se - self.margin)
        };
        effect().into()
    }

    /// How many times the units of a single look are needed where an effect must be `critical` standard errors from the null instead:
    /// ((critical + z) / (z_alpha + z))² with P(Z > z) = 1 - power.
    ///
    /// For a test that may be looked at any time it is what the last look alone would need: earlier looks only add power.
    ///
    /// ```
    /// use tranche_stats::Plan;
    /// let inflation = Plan::default().inflation_of(2.8, 0.8).value();
    /// assert!(inflation.is_some_and(|inflation| (inflation - 1.689_592).abs() < 1e-6));
    /// ```
    pub fn inflation_of(&self, critical: f64, power: f64) -> Outcome<f64> {
        let inflation = || {
            if !(self.alpha > 0.0 && self.alpha < 1.0) {
                return Err(Reason::AlphaOutOfRange);
            }
            if !(power > self.alpha && power < 1.0) {
                return Err(Reason::PowerOutOfRange);
            }
            let (critical, beyond) = (self.positive(critical)?, Normal.critical(1.0 - power));
            self.positive(
                ((critical + beyond) / (Normal.critical(self.alpha / self.alternative.sides()) + beyond))
                    .powi(2),
            )
        };
        inflation().into()
    }

    /// The variance of the effect times the units of the control.
    fn unit_variance(&self) -> Result<f64, Reason> {
        let (ratio, inflation) = (self.positive(self.ratio)?, self.positive(self.inflation)?);
        if !(0.0..1.0).contains(&self.variance_reduction) {
            return Err(Reason::ReductionOutOfRange);
        }
        let variance = self.control_variance + self.treatment_variance / ratio;
        self.positive(variance * (1.0 - self.variance_reduction) * inflation)
    }

    fn positive(&self, value: f64) -> Result<f64, Reason> {
        if value > 0.0 && value.is_finite() { Ok(value) } else { Err(Reason::ParameterNotPositive) }
    }

    /// How far `effect` is from the null, in the direction of the alternative.
    fn toward(&self, effect: f64) -> Result<f64, Reason> {
        if !(self.margin >= 0.0 && self.margin.is_finite()) {
            return Err(Reason::MarginOutOfRange);
        }
        match self.alternative {
            Alternative::TwoSided if self.margin > 0.0 => Err(Reason::MarginWithoutDirection),
            _ => Ok(self.alternative.evidence(effect) + self.margin),
        }
    }

    fn power_at(&self, errors: f64) -> f64 {
        single_look_power(self.alpha, self.alternative, errors)
    }

    fn errors_needed(&self, power: f64) -> Result<f64, Reason> {
        errors_needed(power, self.alpha, |errors| Ok(self.power_at(errors)))
    }
}

impl GroupSequential {
    /// How many times the units of a single look the design plans for at most, to have the same `power`.
    ///
    /// The square of the ratio of the two drifts. Source: Jennison and Turnbull, Group sequential methods with applications to clinical
    /// trials (2000), section 2.3.
    pub fn inflation(&self, alpha: f64, alternative: Alternative, power: f64) -> Outcome<f64> {
        let towards = if alternative == Alternative::Less { -1.0 } else { 1.0 };
        let inflation = || {
            let single =
                errors_needed(power, alpha, |errors| Ok(single_look_power(alpha, alternative, errors)))?;
            let looks = errors_needed(power, alpha, |errors| {
                match self.power(alpha, alternative, towards * errors) {
                    Outcome::Defined(power) => Ok(power),
                    Outcome::Undefined(reason) => Err(reason),
                }
            })?;
            Ok((looks / single).powi(2))
        };
        inflation().into()
    }
}

fn single_look_power(alpha: f64, alternative: Alternative, errors: f64) -> f64 {
    let critical = Normal.critical(alpha / alternative.sides());
    let other = if alternative == Alternative::TwoSided { Normal.survival(critical + errors) } else { 0.0 };
    Normal.survival(critical - errors) + other
}

fn errors_needed(
    power: f64,
    alpha: f64,
    power_at: impl Fn(f64) -> Result<f64, Reason>,
) -> Result<f64, Reason> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Reason::AlphaOutOfRange);
    }
    if !(power > alpha && power < 1.0) {
        return Err(Reason::PowerOutOfRange);
    }
    let mut most = 4.0;
    while most < MOST_ERRORS && power_at(most)? <= power {
        most *= 2.0;
    }
    falling_root((0.0, most), 1e-13, |errors| Ok(power - power_at(errors)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spending;

    const PLAN: Plan = DEFAULT;

    /// statsmodels 0.15.0, `NormalIndPower().solve_power`; its sizes before they are rounded up.
    #[test]
    fn sizes_are_those_of_statsmodels() {
        for (effect, power, plan, control) in [
            (0.1, 0.8, PLAN, 1_569.772_101_902_328_8),
            (0.1, 0.9, Plan { ratio: 2.0, ..PLAN }, 1_576.112_911_986_701_9),
            (
                0.05,
                0.8,
                Plan { alpha: 0.01, alternative: Alternative::Greater, ..PLAN },
                8_028.822_613_422_132,
            ),
            (0.3, 0.5, Plan { ratio: 0.5, ..PLAN }, 128.034_115_666_069_1_f64),
        ] {
            let size = plan.sample_size(effect, power).value().unwrap_or_else(|| panic!("undefined"));
            assert_eq!(size.control, control.ceil() as u64);
            assert_eq!(size.treatment, (control * plan.ratio).ceil() as u64);
            let detectable = plan.detectable_effect(control, power).value().unwrap_or_default();
            assert!((detectable / effect - 1.0).abs() < 1e-6, "{detectable}");
            let found = plan.power(control, effect).value().unwrap_or_default();
            assert!((found - power).abs() < 1e-6, "{found}");
        }
    }

    /// statsmodels 0.15.0, `NormalIndPower().power`.
    #[test]
    fn powers_are_those_of_statsmodels() {
        let greater = Plan { alternative: Alternative::Greater, ..PLAN };
        for (effect, control, plan, power) in [
            (0.1, 1000.0, PLAN, 0.608_779_484_645_456_6),
            (0.02, 500.0, Plan { ratio: 2.0, ..PLAN }, 0.065_409_713_873_275_87),
            (0.1, 1000.0, greater, 0.722_811_595_689_201_4),
            (-0.1, 1000.0, Plan { alternative: Alternative::Less, ..PLAN }, 0.722_811_595_689_201_4),
            (0.0, 1000.0, Plan { margin: 0.1, ..greater }, 0.722_811_595_689_201_4),
            (0.1, 500.0, Plan { variance_reduction: 0.5, ..PLAN }, 0.608_779_484_645_456_6),
            (0.1, 1100.0, Plan { inflation: 1.1, ..PLAN }, 0.608_779_484_645_456_6),
        ] {
            let found = plan.power(control, effect).value().unwrap_or_default();
            assert!((found - power).abs() < 1e-12, "{found}, not {power}");
        }
    }

    /// The drifts of scipy 1.17.1, Simpson's rule on 4001 points per look and `brentq`.
    #[test]
    fn inflation_of_group_sequential_designs() {
        for (spending, alpha, alternative, power, expected) in [
            (Spending::OBrienFleming, 0.05, Alternative::TwoSided, 0.9, 1.023_077_863_286_885_5),
            (Spending::Pocock, 0.05, Alternative::TwoSided, 0.8, 1.212_417_317_375_592_3),
            (Spending::OBrienFleming, 0.025, Alternative::Less, 0.9, 1.023_078_326_141),
        ] {
            let found = GroupSequential::evenly(spending, 5)
                .inflation(alpha, alternative, power)
                .value()
                .unwrap_or_default();
            assert!((found - expected).abs() < 1e-7, "{found}, not {expected}");
        }
    }

    #[test]
    fn what_cannot_be_planned_has_a_reason() {
        for (plan, effect, power, reason) in [
            (PLAN, 0.0, 0.8, Reason::EffectNotTowardsAlternative),
            (
                Plan { alternative: Alternative::Greater, ..PLAN },
                -0.1,
                0.8,
                Reason::EffectNotTowardsAlternative,
            ),
            (PLAN, 0.1, 0.04, Reason::PowerOutOfRange),
            (PLAN, 0.1, 1.0, Reason::PowerOutOfRange),
            (Plan { alpha: 0.0, ..PLAN }, 0.1, 0.8, Reason::AlphaOutOfRange),
            (Plan { ratio: 0.0, ..PLAN }, 0.1, 0.8, Reason::ParameterNotPositive),
            (Plan { variance_reduction: 1.0, ..PLAN }, 0.1, 0.8, Reason::ReductionOutOfRange),
            (Plan { margin: 0.1, ..PLAN }, 0.1, 0.8, Reason::MarginWithoutDirection),
            (PLAN, 1e-12, 0.8, Reason::NotFinite),
        ] {
            assert_eq!(plan.sample_size(effect, power).reason(), Some(reason), "{plan:?}");
        }
        assert_eq!(
            Plan { alpha: 2.0, ..PLAN }.power(f64::NAN, 0.1).reason(),
            Some(Reason::ParameterNotPositive)
        );
    }
}
