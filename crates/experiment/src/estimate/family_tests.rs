//! Families of a result: who is judged with whom. p-values are those of arms with known means and standard
//! errors.

use tranche_scorecard::{Basis, EffectOutcome, MetricRole};
use tranche_stats::{Alternative, Arm, Inference, RelativeMethod, VarianceMethod, adjusted};

use super::*;
use crate::definition::{DeclaredFamily, Method, TestDirection};
use crate::estimate::analysis::{Analysis, Effects, InferenceMethod};
use crate::estimate::arms::Arms;

/// A comparison of two arms of 1000 units that are `difference` standard errors apart.
fn measured(metric: &str, role: MetricRole, segment: &str, difference: f64) -> Compared {
    let arm = |mean: f64| Arm::new(1000, mean, 500.0);
    let arms = Arms {
        control: arm(10.0),
        treatment: arm(10.0 + difference),
        units: [1000, 1000],
        shares: None,
        basis: Basis::default(),
    };
    let method = InferenceMethod::Test(Inference::Fixed, RelativeMethod::Fieller);
    let better = tranche_metric::Direction::Increase;
    let analysis = Analysis { better, alternative: Alternative::TwoSided, alpha: 0.05, method };
    let Effects { absolute, relative } = analysis.effects(&arms, 0.05);
    let row = EstimateRow {
        n: 1000,
        control_n: 1000,
        absolute,
        relative,
        undefined: None,
        ..EstimateRow::undefined(metric, role, segment, "b", "")
    };
    Compared { row, arms, analysis }
}

fn comparisons() -> Vec<Compared> {
    vec![
        measured("orders", MetricRole::Goal, "all", 2.2),
        measured("orders", MetricRole::Goal, "lifecycle/new", 2.5),
        measured("orders", MetricRole::Goal, "lifecycle/loyal", 1.0),
        measured("revenue", MetricRole::Goal, "all", 2.1),
        measured("visits", MetricRole::Secondary, "all", 3.0),
    ]
}

fn statistics(adjust: Adjustment, families: Vec<DeclaredFamily>) -> Statistics {
    Statistics {
        alpha: 0.05,
        method: Method::Fixed,
        relative: RelativeMethod::Fieller,
        direction: TestDirection::TwoSided,
        cuped: None,
        strata: Vec::new(),
        variance: VarianceMethod::Formula,
        adjust,
        families,
    }
}

fn declared(name: &str, metrics: &[&str], segments: &[&str], adjust: Adjustment) -> DeclaredFamily {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    DeclaredFamily {
        name: name.to_owned(),
        metrics: list(metrics),
        segments: list(segments),
        variants: Vec::new(),
        adjust,
    }
}

/// The family of a comparison, with its p-value as it is and adjusted.
type Judged = (Option<String>, f64, Option<f64>);

fn judged(statistics: &Statistics) -> (Vec<Judged>, Vec<FamilyNote>) {
    let mut all = comparisons();
    let notes = judge(&mut all, statistics);
    let of = |one: &Compared| {
        let effect = one.row.absolute.effect().unwrap();
        (one.row.family.clone(), effect.p.unwrap(), effect.p_adjusted)
    };
    (all.iter().map(of).collect(), notes)
}

#[test]
fn without_families_the_roles_are_theirs() {
    let (found, notes) = judged(&statistics(Adjustment::Holm, Vec::new()));
    let goals: Vec<f64> = found[..4].iter().map(|(_, p, _)| *p).collect();
    let expected = adjusted(&goals, Adjustment::Holm);
    for ((family, _, p), expected) in found[..4].iter().zip(expected) {
        assert_eq!((family.as_deref(), *p), (Some("goal"), Some(expected)));
    }
    assert_eq!(found[4].2, Some(found[4].1), "one alone is not adjusted");
    let names: Vec<(&str, &str, usize)> =
        notes.iter().map(|note| (note.family.as_str(), note.holds.as_str(), note.comparisons)).collect();
    assert_eq!(names, [("goal", "family_wise", 4), ("secondary", "family_wise", 1)]);
    let (found, notes) = judged(&statistics(Adjustment::None, Vec::new()));
    assert!(found.iter().all(|(family, _, p)| family.is_none() && p.is_none()) && notes.is_empty());
}

#[test]
fn a_declared_family_is_judged_by_itself() {
    let families = vec![
        declared("primary", &["orders", "revenue"], &["all"], Adjustment::Bonferroni),
        declared("breakdown", &["orders"], &["lifecycle/*"], Adjustment::BenjaminiHochberg),
    ];
    let (found, notes) = judged(&statistics(Adjustment::None, families));
    let names: Vec<Option<&str>> = found.iter().map(|(family, ..)| family.as_deref()).collect();
    assert_eq!(names, [Some("primary"), Some("breakdown"), Some("breakdown"), Some("primary"), None]);
    assert_eq!(found[4].2, None);
    for place in [0, 3] {
        assert_eq!(found[place].2, Some(2.0 * found[place].1));
    }
    let breakdown = adjusted(&[found[1].1, found[2].1], Adjustment::BenjaminiHochberg);
    assert_eq!([found[1].2, found[2].2], [Some(breakdown[0]), Some(breakdown[1])]);
    let held: Vec<&str> = notes.iter().map(|note| note.holds.as_str()).collect();
    assert_eq!(held, ["family_wise", "false_discovery"]);
}

/// Bonferroni's intervals of two comparisons are those at half of alpha; what is left has its role's family.
#[test]
fn intervals_and_conclusions_are_those_of_the_family() {
    let families = vec![declared("primary", &["orders", "revenue"], &["all"], Adjustment::Bonferroni)];
    let mut all = comparisons();
    judge(&mut all, &statistics(Adjustment::Holm, families));
    let primary = &all[0];
    let wider = primary.analysis.effects(&primary.arms, 0.025);
    let adjusted = |outcome: &EffectOutcome| outcome.effect().unwrap().ci_adjusted;
    let interval = |outcome: &EffectOutcome| outcome.effect().map(|effect| effect.ci);
    assert_eq!(adjusted(&primary.row.absolute), interval(&wider.absolute));
    assert_eq!(adjusted(&primary.row.relative), interval(&wider.relative));
    assert_eq!(all[1].row.family.as_deref(), Some("goal"));
    assert!(adjusted(&all[1].row.absolute).is_none(), "Holm's test has no such intervals");
    use tranche_scorecard::Conclusion::{Better, Unclear};
    // p = .028 is .056 of two, and p = .013 is .025 of the two goals that are left.
    assert_eq!([all[0].row.conclusion, all[1].row.conclusion], [Some(Unclear), Some(Better)]);
}
