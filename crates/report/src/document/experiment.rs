//! An experiment as a report shows it: which parts of its result are published.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use tranche_scorecard::{
    Amendment, Decision, Effect, EffectOutcome, EstimateRow, ExperimentResult, HealthCheck, HeterogeneityRow,
    LookNote, MethodNote, MetricNote, NonInferiority, Preregistration, SampleRatioCheck, SegmentContrast,
    Series, SeriesPoint,
};

use super::span::Span;

/// What an experiment showed up to `as_of`.
///
/// Its JSON has a selection of the result's fields: those that the page shows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ExperimentSummary {
    /// The days of exposures that count, in the project's time zone.
    pub period: Option<Span>,
    /// What was measured. Read from a report's JSON, fields that it does not have are at their defaults.
    #[serde(flatten)]
    pub result: ExperimentResult,
}

/// Rows as the fields that are named, in this order.
macro_rules! selections {
    ($($selection:ident of $row:ty, $it:ident => { $($field:ident: $value:expr),* $(,)? })*) => {$(
        struct $selection<'a>(&'a $row);

        impl Serialize for $selection<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $it = self.0;
                let mut fields = serializer.serialize_map(None)?;
                $(fields.serialize_entry(stringify!($field), &$value)?;)*
                fields.end()
            }
        }
    )*};
}

selections! {
    Split of SampleRatioCheck, srm => { p: srm.p, observed: srm.observed, ok: srm.ok }
    Metric of MetricNote, note => {
        metric: note.metric, description: note.description, unit: note.unit, direction: note.direction,
        kind: note.kind, margin: note.margin, margin_ratio: note.margin_ratio,
    }
    Estimate of EstimateRow, row => {
        metric: row.metric, role: row.role, segment: row.segment, variant: row.variant, n: row.n, mean: row.mean,
        control_n: row.control_n, control_mean: row.control_mean, absolute: Scale::of(&row.absolute),
        relative: Scale::of(&row.relative), undefined: row.undefined,
        non_inferiority: row.non_inferiority.as_ref().map(MarginTest),
    }
    MarginTest of NonInferiority, test => { bound: test.bound, p: test.p, holds: test.holds }
    Method of MethodNote, note => {
        inference: note.inference, formula: note.formula, look: note.look.as_ref().map(Look),
    }
    Look of LookNote, look => { number: look.number, planned: look.planned, spent: look.spent }
    Between of HeterogeneityRow, row => {
        set: row.set, metric: row.metric, variant: row.variant, q: row.q, p: row.p, p_adjusted: row.p_adjusted,
        segments: each(&row.segments, Pooled),
    }
    Pooled of SegmentContrast, row => {
        segment: row.segment, effect: row.effect, se: row.se, pooled_effect: row.pooled_effect,
        pooled_se: row.pooled_se,
    }
    Check of HealthCheck, check => {
        check: check.check, segment: check.segment, ok: check.ok, severity: check.severity,
        finding: check.finding, advice: check.advice,
    }
    Days of Series, series => {
        inference: series.inference, valid_at_every_day: series.valid_at_every_day, note: series.note,
        points: each(&series.points, Point),
    }
    Point of SeriesPoint, point => {
        metric: point.metric, role: point.role, variant: point.variant, day: point.day, span: point.span,
        n: point.n, control_n: point.control_n,
        absolute: point.absolute.as_ref().map(|effect| Scale(Some(effect))),
    }
    Plan of Preregistration, plan => {
        hash: plan.hash, registered_at: plan.registered_at, amendments: each(&plan.amendments, Change),
    }
    Change of Amendment, amendment => { as_of: amendment.as_of, changes: amendment.changes }
    Rule of Decision, decision => {
        action: decision.action, reasons: decision.reasons, variants: decision.variants,
    }
    Summary of ExperimentSummary, summary => {
        experiment: summary.result.experiment, hypothesis: summary.result.hypothesis,
        control: summary.result.control, period: summary.period, confidence: summary.result.confidence,
        srm: Split(&summary.result.srm), metrics: each(&summary.result.metrics, Metric),
        estimates: each(&summary.result.estimates, Estimate), method: Method(&summary.result.method),
        heterogeneity: each(&summary.result.heterogeneity, Between),
        checks: each(&summary.result.checks, Check), traffic: summary.result.traffic,
        series: Days(&summary.result.series), plan: summary.result.plan.as_ref().map(Plan),
        decision: Rule(&summary.result.decision), trustworthy: summary.result.trustworthy,
        notes: summary.result.notes,
    }
}

impl Serialize for ExperimentSummary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Summary(self).serialize(serializer)
    }
}

fn each<'a, Row, Selection>(rows: &'a [Row], select: fn(&'a Row) -> Selection) -> Vec<Selection> {
    rows.iter().map(select).collect()
}

/// An effect in one scale; where there is none, its numbers are null.
struct Scale<'a>(Option<&'a Effect>);

impl<'a> Scale<'a> {
    fn of(outcome: &'a EffectOutcome) -> Self {
        Self(outcome.effect())
    }
}

impl Serialize for Scale<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let effect = self.0;
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("effect", &effect.map(|effect| effect.effect))?;
        fields.serialize_entry("se", &effect.and_then(|effect| effect.se))?;
        fields.serialize_entry("ci", &effect.map(|effect| effect.ci))?;
        fields.serialize_entry("p", &effect.and_then(|effect| effect.p))?;
        let own = effect.map(|effect| [("chance_to_win", effect.chance_to_win), ("risk", effect.risk)]);
        for (name, value) in own.into_iter().flatten() {
            if let Some(value) = value {
                fields.serialize_entry(name, &value)?;
            }
        }
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use tranche_scorecard::{Interval, MetricRole};

    use super::*;

    /// What is published of a result: these fields, in this order, and numbers that are null where there is
    /// no effect.
    #[test]
    fn a_selection_of_the_result_is_published() {
        let text = r#"{"experiment":"winback","hypothesis":null,"control":"none","period":null,"confidence":0.95,"srm":{"p":0.5,"observed":[{"variant":"none","count":2,"expected":2.0}],"ok":true},"metrics":[{"metric":"orders","description":null,"unit":null,"direction":"increase","kind":"mean","margin":null,"margin_ratio":null}],"estimates":[],"method":{"inference":"fixed","formula":"effect ± t se","look":null},"heterogeneity":[],"checks":[{"check":"traffic","segment":"all","ok":true,"severity":"warning","finding":"units came every day","advice":""}],"traffic":[{"day":"2026-09-01","variant":"none","units":2}],"series":{"inference":"fixed","valid_at_every_day":false,"note":"","points":[]},"plan":null,"decision":{"action":"undecided","reasons":["no decision rule is declared"],"variants":[]},"trustworthy":true,"notes":[]}"#;
        let summary: ExperimentSummary = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&summary).unwrap(), text);
    }

    #[test]
    fn an_estimate_is_published_with_the_numbers_of_its_effects() {
        let effect = Effect {
            se: Some(0.1),
            ci: Interval::new(0.1, f64::INFINITY),
            p: Some(0.01),
            p_adjusted: Some(0.02),
            risk: Some(0.001),
            ..Effect::of(0.3)
        };
        let row = EstimateRow {
            absolute: EffectOutcome::Effect(effect),
            undefined: None,
            non_inferiority: Some(NonInferiority { holds: true, ..NonInferiority::default() }),
            ..EstimateRow::undefined("orders", MetricRole::Goal, "all", "letter", "the control mean is zero")
        };
        assert_eq!(
            serde_json::to_string(&Estimate(&row)).unwrap(),
            concat!(
                r#"{"metric":"orders","role":"goal","segment":"all","variant":"letter","n":0,"mean":null,"control_n":0,"#,
                r#""control_mean":null,"absolute":{"effect":0.3,"se":0.1,"ci":[0.1,null],"p":0.01,"risk":0.001},"#,
                r#""relative":{"effect":null,"se":null,"ci":null,"p":null},"undefined":null,"#,
                r#""non_inferiority":{"bound":null,"p":null,"holds":true}}"#
            )
        );
    }
}
