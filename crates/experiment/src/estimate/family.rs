//! Families of tests that are judged together: those that are declared, and of what is in none of them, all
//! metrics, variants and segments of one role.

use indexmap::IndexMap;
use tranche_scorecard::{EstimateRow, FamilyNote};
use tranche_stats::{Adjustment, ErrorRate, Family};

use super::estimates::Compared;
use crate::definition::Statistics;

/// Adds `p_adjusted` to every row of a family, and `ci_adjusted` where the method has intervals that keep the
/// family's error rate; then says what each row means. Returns the families.
///
/// Bonferroni's intervals cover simultaneously; Benjamini-Hochberg's and Benjamini-Yekutieli's are those of
/// the rejected rows, which keep the false coverage rate. Holm's and Hochberg's tests have none.
pub(crate) fn judge(compared: &mut [Compared], statistics: &Statistics) -> Vec<FamilyNote> {
    for one in compared.iter_mut() {
        one.row.family = family_of(&one.row, statistics).map(|(name, _)| name.to_owned());
    }
    let mut methods: IndexMap<String, Adjustment> =
        statistics.families.iter().map(|family| (family.name.clone(), family.adjust)).collect();
    for row in compared.iter().map(|one| &one.row) {
        if let Some((name, adjust)) = family_of(row, statistics) {
            methods.entry(name.to_owned()).or_insert(adjust);
        }
    }
    let mut notes = Vec::new();
    for (name, method) in methods {
        let of_family =
            |one: &&mut Compared| one.row.family.as_ref() == Some(&name) && p_value(&one.row).is_some();
        let mut members: Vec<&mut Compared> = compared.iter_mut().filter(of_family).collect();
        adjust(&mut members, statistics.alpha, method);
        notes.push(FamilyNote {
            comparisons: members.len(),
            family: name,
            adjust: method.name().to_owned(),
            holds: match method.error_rate() {
                ErrorRate::PerTest => "per_test",
                ErrorRate::FamilyWise => "family_wise",
                ErrorRate::FalseDiscovery => "false_discovery",
            }
            .to_owned(),
        });
    }
    for one in compared {
        one.row.conclusion = one.analysis.conclusion(&one.arms, &one.row.absolute);
    }
    notes
}

/// The family that a row belongs to, if it is in any.
fn family_of<'a>(row: &EstimateRow, statistics: &'a Statistics) -> Option<(&'a str, Adjustment)> {
    let declared =
        statistics.families.iter().find(|family| family.holds(&row.metric, &row.segment, &row.variant));
    match declared {
        Some(family) => Some((&family.name, family.adjust)),
        None => (statistics.adjust != Adjustment::None).then_some((row.role.name(), statistics.adjust)),
    }
}

fn adjust(members: &mut [&mut Compared], alpha: f64, method: Adjustment) {
    let family = Family { p: members.iter().filter_map(|one| p_value(&one.row)).collect(), alpha, method };
    for ((one, p), alpha) in members.iter_mut().zip(family.adjusted()).zip(family.interval_alphas()) {
        let wider = alpha.map(|alpha| one.analysis.effects(&one.arms, alpha));
        let scales = [
            (&mut one.row.absolute, wider.as_ref().map(|effects| &effects.absolute)),
            (&mut one.row.relative, wider.as_ref().map(|effects| &effects.relative)),
        ];
        for (outcome, wider) in scales {
            let Some(effect) = outcome.effect_mut() else { continue };
            effect.p_adjusted = Some(p);
            effect.ci_adjusted = wider.and_then(|wider| wider.effect()).map(|wider| wider.ci);
        }
    }
}

fn p_value(row: &EstimateRow) -> Option<f64> {
    row.absolute.effect()?.p
}

#[cfg(test)]
#[path = "family_tests.rs"]
mod tests;
