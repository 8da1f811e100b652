//! The units that an inference needs: those of a single look, times the inflation by further looks.

use tranche_stats::{
    Alternative, ConfidenceSequence, GroupSequential, MixtureTest, Outcome, Plan, Reason, SampleSize,
};

use crate::definition::{Method, PlannedLooks};

/// A plan of one look, and the inference that is meant.
#[derive(Debug, Clone)]
pub(super) struct Needed {
    pub(super) plan: Plan,
    pub(super) method: Method,
    pub(super) metric: String,
}

impl Needed {
    /// Units per arm to find `effect` with `power`.
    pub(super) fn units(&self, effect: f64, power: f64) -> Result<SampleSize, Reason> {
        let inflation = |control| Outcome::from(self.inflation(control, power));
        self.plan.sample_size_inflated(effect, power, inflation).into_result()
    }

    /// The size of the least effect that `control` units in control find with `power`.
    pub(super) fn detectable(&self, control: f64, power: f64) -> Result<f64, Reason> {
        let inflation = self.inflation(control, power)?;
        Plan { inflation, ..self.plan }.detectable_effect(control, power).into_result()
    }

    /// How many times the units of a single look the inference needs with `control` units in control.
    fn inflation(&self, control: f64, power: f64) -> Result<f64, Reason> {
        let Plan { alpha, alternative, ratio, .. } = self.plan;
        let critical = match &self.method {
            Method::Fixed | Method::Bayes { .. } => return Ok(1.0),
            Method::GroupSequential(design) => {
                let looks = match &design.looks {
                    PlannedLooks::Fractions { fractions, .. } => GroupSequential {
                        spending: design.spending,
                        fractions: fractions.clone(),
                        is_final: true,
                    },
                    PlannedLooks::Instants { instants, .. } => {
                        GroupSequential::evenly(design.spending, u32::try_from(instants.len()).unwrap_or(1))
                    }
                };
                return looks.inflation(alpha, alternative, power).into_result();
            }
            Method::Sequential { tuning } => {
                let sequence = match alternative {
                    Alternative::TwoSided => ConfidenceSequence::tuned(alpha, *tuning),
                    one_sided => ConfidenceSequence::one_sided(alpha, *tuning, one_sided),
                };
                sequence.into_result()?.critical(control * (1.0 + ratio))
            }
            Method::Mixture { scale } => {
                let test = MixtureTest::new(alpha, scale.of(&self.metric), alternative).into_result()?;
                test.critical(self.plan.effect_variance(control).into_result()?)
            }
        };
        self.plan.inflation_of(critical, power).into_result()
    }
}

#[cfg(test)]
mod tests {
    use tranche_stats::Spending;

    use super::*;
    use crate::counts::as_number;
    use crate::definition::{Design, Scale};

    fn units(method: Method) -> u64 {
        let plan = Plan { control_variance: 0.09, treatment_variance: 0.09, ..Plan::default() };
        let needed = Needed { plan, method, metric: "orders".to_owned() };
        let size = needed.units(0.03, 0.8).unwrap();
        // With these units the effect is just detectable, whatever the inference.
        let least = needed.detectable(as_number(size.control), 0.8).unwrap();
        assert!((least / 0.03 - 1.0).abs() < 1e-3, "{least} with {size:?}");
        size.control
    }

    #[test]
    fn looking_more_often_costs_units() {
        let fixed = units(Method::Fixed);
        assert_eq!(fixed, 1570);
        let looks = Design::at_fractions(Spending::OBrienFleming, vec![0.2, 0.4, 0.6, 0.8, 1.0], 5000);
        let group = units(Method::GroupSequential(looks));
        // The inflation of five looks with O'Brien and Fleming's spending is about 1.03.
        assert!((1.02..1.04).contains(&(as_number(group) / as_number(fixed))), "{group}");
        let sequential = units(Method::Sequential { tuning: 5000.0 });
        let mixture = units(Method::Mixture { scale: Scale::One(0.03) });
        assert!(sequential > group && mixture > group, "{sequential} {mixture}");
        assert!(units(Method::Sequential { tuning: 1e6 }) > sequential, "tuned to many more units");
    }
}
