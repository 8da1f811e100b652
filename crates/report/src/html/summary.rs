//! What stands out, in one sentence: first what must not be trusted, then what moved, then what was learned.

use super::interpretation::{self, Change, Judgement};
use super::wording::{capitalised, counted, listed, words};
use super::{dates, verdict};
use crate::document::{KpiSummary, ReportDocument};
use crate::number::percent;

const MOST_MOVES: usize = 2;

/// The sentence, as plain text.
pub(super) fn sentence(document: &ReportDocument) -> String {
    let clauses: Vec<String> =
        [moves(document), targets(document), experiments(document)].into_iter().flatten().collect();
    if clauses.is_empty() {
        return "There is nothing to compare in this period.".to_owned();
    }
    format!("{}.", capitalised(&clauses.join("; ")))
}

/// The largest changes beyond chance, or that there are none.
fn moves(document: &ReportDocument) -> Option<String> {
    let mut changes: Vec<(&KpiSummary, Change)> = document
        .kpis
        .iter()
        .filter_map(|kpi| {
            interpretation::overall(kpi)
                .and_then(|row| interpretation::change(kpi.direction, row))
                .map(|change| (kpi, change))
        })
        .collect();
    if changes.is_empty() {
        return None;
    }
    let against = document.previous_period.as_ref().map_or("the period before".to_owned(), dates::span_name);
    changes.retain(|(_, change)| change.judgement != Judgement::Noise);
    if changes.is_empty() {
        return Some(format!("no KPI moved by more than chance against {against}"));
    }
    changes.sort_by(|(_, one), (_, other)| size(other).total_cmp(&size(one)));
    let told: Vec<String> = changes.iter().take(MOST_MOVES).map(|(kpi, change)| told(kpi, change)).collect();
    Some(format!("{} against {against}", listed(&told)))
}

fn size(change: &Change) -> f64 {
    change.ratio.map_or(0.0, f64::abs)
}

fn told(kpi: &KpiSummary, change: &Change) -> String {
    let format = interpretation::format(kpi);
    let rose = change.difference.or(change.ratio).is_some_and(|amount| amount > 0.0);
    let by = change.ratio.map_or(String::new(), |ratio| format!(" {}", percent(Some(ratio.abs()))));
    let value = format.value(interpretation::overall(kpi).and_then(|row| row.measured.value));
    let verb = if rose { "rose" } else { "fell" };
    let meaning = if change.judgement == Judgement::Worse { "worse" } else { "better" };
    format!("{} {verb}{by} to {value} ({meaning})", words(&kpi.metric))
}

fn targets(document: &ReportDocument) -> Option<String> {
    let attained: Vec<_> = document
        .kpis
        .iter()
        .filter_map(|kpi| {
            interpretation::overall(kpi).and_then(|row| interpretation::attainment(kpi, &row.measured))
        })
        .collect();
    let met = attained.iter().filter(|attainment| attainment.met).count();
    match attained.len() {
        0 => None,
        1 if met == 1 => Some("the target is met".to_owned()),
        1 => Some("the target is missed".to_owned()),
        all if met == all => Some(format!("all {all} targets are met")),
        all => Some(format!("{met} of {} met", counted(all, &all.to_string(), "target"))),
    }
}

fn experiments(document: &ReportDocument) -> Option<String> {
    let told: Vec<String> = document
        .experiments
        .iter()
        .filter_map(|experiment| verdict::short(&experiment.result, &document.kpis))
        .collect();
    if told.is_empty() { None } else { Some(told.into_iter().take(2).collect::<Vec<_>>().join("; ")) }
}
