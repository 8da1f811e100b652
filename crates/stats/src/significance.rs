//! How far from the null is far enough: the test behind an estimate's interval and p-value.

use crate::distribution::{Normal, StudentT};
use crate::effect::Effect;
use crate::mixture::MixtureTest;
use crate::options::{Inference, Options};
use crate::{Alternative, ConfidenceSequence, GroupSequential, Reason};

/// A test of one effect, whatever its scale.
pub(crate) struct Significance<'a> {
    law: Law<'a>,
    alternative: Alternative,
    /// What the standard error is multiplied by for an interval's end.
    pub(crate) critical: f64,
    /// The same for Fieller's set.
    pub(crate) fieller_critical: f64,
}

enum Law<'a> {
    Student(StudentT),
    Sequence { sequence: ConfidenceSequence, units: f64 },
    Mixture { test: MixtureTest, variance: f64 },
    Looks(&'a GroupSequential),
    Normal,
}

const NORMAL_FROM_DEGREES: f64 = 1000.0;

impl<'a> Significance<'a> {
    pub(crate) fn of(effect: &Effect, options: &'a Options) -> Result<Self, Reason> {
        let Options { alpha, alternative, .. } = *options;
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(Reason::AlphaOutOfRange);
        }
        let (law, critical) = match &options.inference {
            Inference::Fixed => {
                let student = StudentT { df: effect.degrees_of_freedom };
                let tail = alpha / alternative.sides();
                let critical = student.critical(tail);
                let fieller_critical =
                    if student.df < NORMAL_FROM_DEGREES { critical } else { Normal.critical(tail) };
                return Ok(Self { law: Law::Student(student), alternative, critical, fieller_critical });
            }
            Inference::Sequential { tuning } => {
                let sequence = ConfidenceSequence::towards(alpha, *tuning, alternative)?;
                (Law::Sequence { sequence, units: effect.units }, sequence.critical(effect.units))
            }
            Inference::Mixture { scale } => {
                let test = MixtureTest::checked(alpha, *scale, alternative)?;
                (Law::Mixture { test, variance: effect.variance }, test.critical(effect.variance))
            }
            Inference::GroupSequential(design) => (Law::Looks(design), design.critical(alpha, alternative)?),
            Inference::Boundary { critical } => (Law::Normal, *critical),
        };
        Ok(Self { law, alternative, critical, fieller_critical: critical })
    }

    /// The p-value of an estimate `z` standard errors above the null.
    pub(crate) fn p_value(&self, z: f64) -> Result<f64, Reason> {
        let evidence = self.alternative.evidence(z);
        Ok(match &self.law {
            Law::Student(student) => (self.alternative.sides() * student.survival(evidence)).min(1.0),
            Law::Sequence { sequence, units } => sequence.p_value(z, *units),
            Law::Mixture { test, variance } => test.p_value(z, *variance),
            Law::Looks(design) => design.repeated_p(evidence, self.alternative)?,
            Law::Normal => (self.alternative.sides() * Normal.survival(evidence)).min(1.0),
        })
    }

    /// Whether an estimate `z` standard errors above the null leaves the null possible.
    pub(crate) fn allows(&self, z: f64) -> bool {
        self.alternative.evidence(z) <= self.critical
    }
}
