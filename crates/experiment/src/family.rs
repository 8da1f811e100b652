//! Families of tests: all metrics, variants and segments of one role, judged together.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tranche_stats::{Adjustment, Family};

use crate::arms::Arms;
use crate::question::Question;
use crate::result::EstimateRow;

/// A row with what it was made from.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) row: EstimateRow,
    pub(crate) arms: Arms,
    pub(crate) question: Question,
}

/// Adds `p_adjusted` to every row of a family, and `ci_adjusted` where the method has intervals that keep the family's error rate; then
/// says what each row means.
///
/// Bonferroni's intervals cover simultaneously; Benjamini-Hochberg's and Benjamini-Yekutieli's are those of the rejected rows, which
/// keep the false coverage rate. Holm's and Hochberg's tests have none.
pub(crate) fn judge(measured: &mut [Measured], alpha: f64, method: Adjustment) {
    if method != Adjustment::None {
        let roles: BTreeSet<_> = measured.iter().map(|one| one.row.role).collect();
        for role in roles {
            let mut family: Vec<&mut Measured> =
                measured.iter_mut().filter(|one| one.row.role == role && p_value(&one.row).is_some()).collect();
            adjust(&mut family, alpha, method);
        }
    }
    for one in measured {
        one.row.conclusion = one.question.conclusion(&one.arms, &one.row.absolute);
    }
}

fn adjust(members: &mut [&mut Measured], alpha: f64, method: Adjustment) {
    let family = Family { p: members.iter().filter_map(|one| p_value(&one.row)).collect(), alpha, method };
    for ((one, p), alpha) in members.iter_mut().zip(family.adjusted()).zip(family.interval_alphas()) {
        let wider = alpha.map(|alpha| one.question.answer(&one.arms, alpha));
        let scales = [
            (&mut one.row.absolute, wider.as_ref().map(|answer| &answer.absolute)),
            (&mut one.row.relative, wider.as_ref().map(|answer| &answer.relative)),
        ];
        for (effect, wider) in scales {
            let Value::Object(fields) = effect else { continue };
            if !fields.contains_key("p") {
                continue;
            }
            fields.insert("p_adjusted".to_owned(), json!(p));
            if let Some(interval) = wider.and_then(|wider| wider.get("ci")) {
                fields.insert("ci_adjusted".to_owned(), interval.clone());
            }
        }
    }
}

fn p_value(row: &EstimateRow) -> Option<f64> {
    EstimateRow::number(&row.absolute, "p")
}
