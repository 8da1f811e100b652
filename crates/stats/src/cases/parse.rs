//! The options of `tranche stats`, as they are typed.

use std::str::FromStr;

use thiserror::Error;

use crate::{Alternative, GroupSequential, Margin, Prior, RelativeMethod, Spending};

/// An option's text that means nothing. Always the caller's to mend.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not {wanted}")]
pub struct NotUnderstood {
    /// What was typed.
    pub text: String,
    /// What could have been.
    pub wanted: &'static str,
}

/// A kind of inference that a case may be put to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaseInference {
    /// One look: `freq_*` and `fieller_relative`.
    Fixed,
    /// Any number of looks: `seq<tuning>_*`.
    Sequential,
    /// A few looks: `group_sequential_*`.
    GroupSequential,
    /// Posteriors: `bayes_<prior>_*`.
    Bayes,
}

fn named<T: Copy>(text: &str, wanted: &'static str, names: &[(&str, T)]) -> Result<T, NotUnderstood> {
    let found = names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    found.ok_or_else(|| NotUnderstood { text: text.to_owned(), wanted })
}

fn number(text: &str, whole: &str, wanted: &'static str) -> Result<f64, NotUnderstood> {
    let parsed = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    parsed.ok_or_else(|| NotUnderstood { text: whole.to_owned(), wanted })
}

impl FromStr for CaseInference {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, NotUnderstood> {
        let names = [
            ("fixed", Self::Fixed),
            ("sequential", Self::Sequential),
            ("group_sequential", Self::GroupSequential),
            ("bayes", Self::Bayes),
        ];
        named(text, "an inference; write fixed, sequential, group_sequential or bayes", &names)
    }
}

impl FromStr for Alternative {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, NotUnderstood> {
        let names = [("two_sided", Self::TwoSided), ("greater", Self::Greater), ("less", Self::Less)];
        named(text, "an alternative; write two_sided, greater or less", &names)
    }
}

impl FromStr for RelativeMethod {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, NotUnderstood> {
        named(
            text,
            "a relative method; write fieller or delta",
            &[("fieller", Self::Fieller), ("delta", Self::Delta)],
        )
    }
}

/// `0.02` in the metric's unit, or `2%` of the control mean.
impl FromStr for Margin {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, NotUnderstood> {
        const WANTED: &str = "a margin; write a number of at least 0 in the metric's unit, such as 0.02, or a share, such as 2%";
        let (size, margin): (&str, fn(f64) -> Self) = match text.strip_suffix('%') {
            Some(percent) => (percent, |percent| Self::Relative(percent / 100.0)),
            None => (text, Self::Absolute),
        };
        let size = number(size, text, WANTED)?;
        if size >= 0.0 {
            Ok(margin(size))
        } else {
            Err(NotUnderstood { text: text.to_owned(), wanted: WANTED })
        }
    }
}

/// `flat`, `MEAN,SD` on the lift, or `absolute:MEAN,SD` on the difference.
impl FromStr for Prior {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, NotUnderstood> {
        const WANTED: &str = "a prior; write `flat`, `MEAN,SD` such as `0,0.3`, or `absolute:MEAN,SD`";
        if text == "flat" {
            return Ok(Self::Flat);
        }
        let absolute = text.strip_prefix("absolute:");
        let (mean, sd) = absolute
            .unwrap_or(text)
            .split_once(',')
            .ok_or_else(|| NotUnderstood { text: text.to_owned(), wanted: WANTED })?;
        let (mean, sd) = (number(mean, text, WANTED)?, number(sd, text, WANTED)?);
        Ok(if absolute.is_some() { Self::NormalAbsolute { mean, sd } } else { Self::Normal { mean, sd } })
    }
}

/// `obrien_fleming`, `pocock`, or `power:RHO`.
impl FromStr for Spending {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, NotUnderstood> {
        const WANTED: &str =
            "a spending function; write obrien_fleming, pocock or power:RHO, such as power:2";
        match text.strip_prefix("power:") {
            Some(rho) => Ok(Self::Power { rho: number(rho, text, WANTED)? }),
            None => named(text, WANTED, &[("obrien_fleming", Self::OBrienFleming), ("pocock", Self::Pocock)]),
        }
    }
}

impl GroupSequential {
    /// Looks as typed: a whole number of even looks, all of them taken, or the information fractions of those taken so far, the
    /// present one last, such as `0.2,0.45`.
    ///
    /// # Errors
    ///
    /// Neither of the two. Fractions that do not rise are found when boundaries are.
    pub fn parse(spending: Spending, looks: &str) -> Result<Self, NotUnderstood> {
        const WANTED: &str =
            "a number of looks, such as 5, or rising information fractions, such as 0.2,0.45";
        if let Ok(count @ 1..=1000) = looks.trim().parse::<u32>() {
            return Ok(Self::evenly(spending, count));
        }
        let fractions =
            looks.split(',').map(|fraction| number(fraction, looks, WANTED)).collect::<Result<_, _>>()?;
        Ok(Self { spending, fractions, is_final: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_parsed_as_typed() {
        assert_eq!("group_sequential".parse(), Ok(CaseInference::GroupSequential));
        assert_eq!("less".parse(), Ok(Alternative::Less));
        assert_eq!("delta".parse(), Ok(RelativeMethod::Delta));
        assert_eq!("0.5".parse(), Ok(Margin::Absolute(0.5)));
        assert_eq!("2.5%".parse(), Ok(Margin::Relative(0.025)));
        assert_eq!("flat".parse(), Ok(Prior::Flat));
        assert_eq!("0, 0.3".parse(), Ok(Prior::Normal { mean: 0.0, sd: 0.3 }));
        assert_eq!("absolute:-1,2".parse(), Ok(Prior::NormalAbsolute { mean: -1.0, sd: 2.0 }));
        assert_eq!("power:2".parse(), Ok(Spending::Power { rho: 2.0 }));
        let looks = |text| GroupSequential::parse(Spending::Pocock, text).map(|design| design.fractions);
        assert_eq!(looks("4"), Ok(vec![0.25, 0.5, 0.75, 1.0]));
        assert_eq!(looks("0.2,0.45"), Ok(vec![0.2, 0.45]));
    }

    #[test]
    fn invalid_options_are_named() {
        let message =
            |problem: Option<NotUnderstood>| problem.map(|problem| problem.to_string()).unwrap_or_default();
        assert_eq!(
            message("both".parse::<Alternative>().err()),
            "`both` is not an alternative; write two_sided, greater or less"
        );
        for text in ["-1", "x%", "nan", ""] {
            assert!(
                message(text.parse::<Margin>().err()).starts_with(&format!("`{text}` is not a margin")),
                "{text}"
            );
        }
        assert!(message("0".parse::<Prior>().err()).starts_with("`0` is not a prior"));
        assert!(
            message("power:".parse::<Spending>().err()).starts_with("`power:` is not a spending function")
        );
        assert!(
            message(GroupSequential::parse(Spending::Pocock, "0.2,x").err())
                .starts_with("`0.2,x` is not a number of looks")
        );
    }
}
