//! From a case as given to its two arms.

use thiserror::Error;

use super::{ArmSpec, CaseSpec};
use crate::{Arm, CoMoments, Direction, Moments, PairSums, Proportion, QuantileSummary, adjust};

/// A problem of a document of cases. Always its author's to mend.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CasesError {
    /// No such kind.
    #[error("case `{case}` has the unknown kind `{kind}`; known are {}", KINDS.join(", "))]
    UnknownKind {
        /// The case.
        case: String,
        /// Its kind.
        kind: String,
    },
    /// An arm is not there.
    #[error("case `{case}` has no arm `{arm}`; `a` is the control, `b` the treatment")]
    MissingArm {
        /// The case.
        case: String,
        /// `a` or `b`.
        arm: &'static str,
    },
    /// An arm lacks a field of its kind.
    #[error("case `{case}` lacks `{field}` in arm `{arm}`, which a {kind} needs")]
    MissingField {
        /// The case.
        case: String,
        /// Its kind.
        kind: String,
        /// `a` or `b`.
        arm: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A count is negative, fractional or beyond 2^53.
    #[error("case `{case}` has {value} for `{field}` in arm `{arm}`, where a whole number of units is meant")]
    NotACount {
        /// The case.
        case: String,
        /// `a` or `b`.
        arm: &'static str,
        /// The field.
        field: &'static str,
        /// What stands there.
        value: f64,
    },
}

const KINDS: [&str; 6] = ["proportion", "mean", "mean_lower_is_better", "ratio", "mean_cuped", "quantile"];
const LARGEST_COUNT: f64 = 9_007_199_254_740_992.0;

/// A case as meant.
pub(super) struct Case {
    pub(super) control: Arm,
    pub(super) treatment: Arm,
    pub(super) theta: Option<f64>,
    pub(super) direction: Direction,
}

impl Case {
    pub(super) fn read(name: &str, spec: &CaseSpec) -> Result<Self, CasesError> {
        let inputs = spec.inputs.as_ref();
        let a = spec.a.as_ref().or_else(|| inputs?.a.as_ref());
        let b = spec.b.as_ref().or_else(|| inputs?.b.as_ref());
        let fields = |arm, fields: Option<_>| match fields {
            Some(fields) => Ok(Fields { case: name, kind: &spec.kind, arm, fields }),
            None => Err(CasesError::MissingArm { case: name.to_owned(), arm }),
        };
        let (a, b) = (fields("a", a)?, fields("b", b)?);
        let (control, treatment, theta) = match spec.kind.as_str() {
            "proportion" => (a.proportion()?, b.proportion()?, None),
            "mean" | "mean_lower_is_better" => (a.mean()?, b.mean()?, None),
            "ratio" => (a.ratio()?, b.ratio()?, None),
            "quantile" => (a.quantile()?, b.quantile()?, None),
            "mean_cuped" => {
                let adjusted = adjust(&a.outcome_and_covariate()?, &b.outcome_and_covariate()?);
                (adjusted.control, adjusted.treatment, Some(adjusted.theta))
            }
            _ => return Err(CasesError::UnknownKind { case: name.to_owned(), kind: spec.kind.clone() }),
        };
        let inverse = spec.inverse.or_else(|| inputs?.inverse).unwrap_or(spec.kind == "mean_lower_is_better");
        let direction = if inverse { Direction::LowerIsBetter } else { Direction::HigherIsBetter };
        Ok(Self { control, treatment, theta, direction })
    }
}

/// The fields of one arm, and where they stand.
struct Fields<'a> {
    case: &'a str,
    kind: &'a str,
    arm: &'static str,
    fields: &'a ArmSpec,
}

impl Fields<'_> {
    fn proportion(&self) -> Result<Arm, CasesError> {
        Ok(Arm::proportion(&Proportion::from_counts(self.count("n")?, self.count("sum")?)))
    }

    fn mean(&self) -> Result<Arm, CasesError> {
        Ok(Arm::mean(&Moments::from_sums(self.count("n")?, self.number("sum")?, self.number("sum_squares")?)))
    }

    fn ratio(&self) -> Result<Arm, CasesError> {
        Ok(Arm::ratio(&CoMoments::from_sums(&PairSums {
            n: self.count("n")?,
            sum_x: self.number("num_sum")?,
            sum_y: self.number("den_sum")?,
            sum_squares_x: self.number("num_sum_squares")?,
            sum_squares_y: self.number("den_sum_squares")?,
            sum_products: self.number("num_den_sum_of_products")?,
        })))
    }

    fn quantile(&self) -> Result<Arm, CasesError> {
        Ok(Arm::quantile(&QuantileSummary {
            n: self.count("n")?,
            n_interval: self.count(if self.fields.contains_key("n_star") { "n_star" } else { "n" })?,
            level: self.number("nu")?,
            estimate: self.number("quantile_hat")?,
            lower: self.number("quantile_lower")?,
            upper: self.number("quantile_upper")?,
        }))
    }

    fn outcome_and_covariate(&self) -> Result<CoMoments, CasesError> {
        Ok(CoMoments::from_sums(&PairSums {
            n: self.count("n")?,
            sum_x: self.number("sum")?,
            sum_y: self.number("pre_sum")?,
            sum_squares_x: self.number("sum_squares")?,
            sum_squares_y: self.number("pre_sum_squares")?,
            sum_products: self.number("post_pre_sum_of_products")?,
        }))
    }

    fn number(&self, field: &'static str) -> Result<f64, CasesError> {
        let missing = || CasesError::MissingField {
            case: self.case.to_owned(),
            kind: self.kind.to_owned(),
            arm: self.arm,
            field,
        };
        self.fields.get(field).copied().ok_or_else(missing)
    }

    fn count(&self, field: &'static str) -> Result<u64, CasesError> {
        let value = self.number(field)?;
        if (0.0..=LARGEST_COUNT).contains(&value) && value.fract() == 0.0 {
            return Ok(value as u64);
        }
        Err(CasesError::NotACount { case: self.case.to_owned(), arm: self.arm, field, value })
    }
}
