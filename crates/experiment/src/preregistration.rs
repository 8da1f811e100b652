//! Preregistration: the plan as of the first exposure, and its amendments since.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use tranche_metric::{Cap, Fact, Metric, MetricKind, Metrics, Missing, Step};
use tranche_scorecard::{Amendment, Declared, MetricRole, Preregistration, RegisteredLook, RegisteredLooks};
use tranche_stats::Margin;

use crate::definition::looks::TakenLook;
use crate::definition::{Experiment, MetricChoice, TestDirection};
use crate::method::declared;

/// Registers the plan of an experiment and the looks that were taken, or compares it with the one that was registered.
/// `None` before the first exposure.
pub(crate) fn register(
    earlier: Option<&Preregistration>,
    plan: BTreeMap<String, Declared>,
    first_exposure: Option<Timestamp>,
    looks: Option<RegisteredLooks>,
    as_of: Timestamp,
) -> Option<Preregistration> {
    let hash = hash(&plan);
    let Some(earlier) = earlier else {
        return Some(Preregistration {
            hash,
            first_exposure: first_exposure?,
            registered_at: as_of,
            plan,
            amendments: Vec::new(),
            looks,
        });
    };
    let mut kept = Preregistration { looks, ..earlier.clone() };
    let changes = changes(&kept.plan, &plan);
    if !changes.is_empty() {
        kept.amendments.push(Amendment { as_of, hash, changes });
        kept.plan = plan;
    }
    Some(kept)
}

/// The looks that were taken by the present plan of looks; with another one, they count anew.
pub(crate) fn looks_of<'a>(registered: &'a Preregistration, experiment: &Experiment) -> &'a [RegisteredLook] {
    let planned = Declared::from(declared::parameters(&experiment.statistics.method));
    let own = registered.looks.as_ref().filter(|looks| looks.planned == planned);
    own.map_or(&[], |looks| &looks.taken)
}

/// What is registered of looks that were taken.
pub(crate) fn registered_looks(experiment: &Experiment, taken: &TakenLook) -> RegisteredLooks {
    RegisteredLooks {
        planned: declared::parameters(&experiment.statistics.method).into(),
        taken: taken.all.clone(),
    }
}

/// The plan of an experiment by part: all decisions that its author declared before the first exposure.
pub(crate) fn plan_of(experiment: &Experiment, metrics: &Metrics) -> BTreeMap<String, Declared> {
    let chosen = |role: MetricRole| -> Vec<Value> {
        experiment.metrics.iter().filter(|choice| choice.role == role).map(choice_value).collect()
    };
    let statistics = &experiment.statistics;
    let mut parameters = declared::parameters(&statistics.method);
    if let Value::Object(fields) = &mut parameters {
        fields.insert("inference".to_owned(), json!(statistics.method.name()));
        fields.insert("alpha".to_owned(), json!(statistics.alpha));
        fields.insert("alternative".to_owned(), json!(direction_name(statistics.direction)));
        fields.insert("relative".to_owned(), json!(format!("{:?}", statistics.relative).to_lowercase()));
        fields.insert("adjust".to_owned(), json!(statistics.adjust.name()));
        fields.insert(
            "cuped_seconds".to_owned(),
            json!(statistics.cuped.as_ref().map(|cuped| cuped.lookback.as_secs())),
        );
        let mut estimation = declared::estimation(experiment);
        if statistics.cuped.as_ref().is_some_and(|cuped| cuped.covariates.is_empty()) {
            // The seconds say all of it.
            estimation.remove("cuped");
        }
        fields.extend(estimation);
    }
    let decision = experiment.decision.map(|rule| {
        json!({
            "goals": format!("{:?}", rule.ship.goals), "guardrails": format!("{:?}", rule.ship.guardrails),
            "stop": format!("{:?}", rule.stop), "at_end": format!("{:?}", rule.at_end),
        })
    });
    let segments: Vec<&str> = experiment.segments.iter().map(|segment| segment.value.as_str()).collect();
    let mut plan = BTreeMap::from([
        ("hypothesis".to_owned(), json!(experiment.hypothesis)),
        ("entity".to_owned(), json!(experiment.entity)),
        (
            "exposure".to_owned(),
            json!({
                "table": experiment.table.value, "where": experiment.filter.as_ref().map(|filter| &filter.value),
                "variant": experiment.variant.value, "at": experiment.at.as_ref().map(|at| &at.value),
            }),
        ),
        ("variants".to_owned(), json!(experiment.variants)),
        ("control".to_owned(), json!(experiment.control)),
        (
            "assignment".to_owned(),
            json!({
                "seed": experiment.assignment.seed, "coverage": experiment.assignment.coverage,
                "namespace": experiment.assignment.namespace.as_ref().map(|n| json!([n.name, n.range.start, n.range.end])),
            }),
        ),
        ("period".to_owned(), json!({"from": experiment.from, "to": experiment.to})),
        (
            "conversion_window_seconds".to_owned(),
            json!(experiment.conversion_window.map(|window| window.as_secs())),
        ),
        ("metrics.goal".to_owned(), json!(chosen(MetricRole::Goal))),
        ("metrics.secondary".to_owned(), json!(chosen(MetricRole::Secondary))),
        ("metrics.guardrail".to_owned(), json!(chosen(MetricRole::Guardrail))),
        ("segments".to_owned(), json!(segments)),
        ("statistics".to_owned(), parameters),
        ("decision".to_owned(), json!(decision)),
    ]);
    for metric in experiment.metrics.iter().filter_map(|choice| metrics.get(&choice.metric.value)) {
        plan.insert(format!("metric {}", metric.name), metric_value(metric));
    }
    plan.into_iter().map(|(part, value)| (part, value.into())).collect()
}

fn choice_value(choice: &MetricChoice) -> Value {
    let margin = choice.margin.map(|margin| match margin {
        Margin::Absolute(size) => json!(size),
        Margin::Relative(size) => json!(format!("{}%", 100.0 * size)),
    });
    let mut value = json!({"metric": choice.metric.value, "margin": margin, "alternative": choice.direction.map(direction_name)});
    if let (Value::Object(fields), Some(variance)) = (&mut value, choice.variance) {
        fields.insert("variance".to_owned(), declared::variance(variance));
    }
    value
}

fn direction_name(direction: TestDirection) -> &'static str {
    match direction {
        TestDirection::TwoSided => "two_sided",
        TestDirection::Better => "better",
        TestDirection::Greater => "greater",
        TestDirection::Less => "less",
    }
}

fn metric_value(metric: &Metric) -> Value {
    let fact = |fact: &Fact| {
        json!({
            "table": fact.table.value, "value": fact.value.as_ref().map(|value| &value.value),
            "aggregate": format!("{:?}", fact.aggregate), "where": fact.filter.as_ref().map(|filter| &filter.value),
        })
    };
    let made = match &metric.kind {
        MetricKind::Mean(of) => json!({"mean": fact(of)}),
        MetricKind::Proportion(of) => json!({"proportion": fact(of)}),
        MetricKind::Count(of) => json!({"count": fact(of)}),
        MetricKind::Ratio { numerator, denominator } => {
            json!({"ratio": [numerator.value, denominator.value]})
        }
        MetricKind::Quantile { fact: of, level, over } => {
            json!({"quantile": fact(of), "level": level, "over": format!("{over:?}")})
        }
        MetricKind::Retention { fact: of, from, to } => {
            json!({"retention": fact(of), "from_seconds": from.as_secs_f64(), "to_seconds": to.as_secs_f64()})
        }
        MetricKind::Funnel { steps, within } => {
            let step = |step: &Step| json!({"table": step.table.value, "where": step.filter.as_ref().map(|filter| &filter.value)});
            json!({"funnel": steps.iter().map(step).collect::<Vec<_>>(), "within_seconds": within.as_secs_f64()})
        }
    };
    let cap = metric.cap.map(|cap| match cap {
        Cap::Value(value) => json!({"value": value}),
        Cap::Quantile(quantile) => json!({"quantile": quantile}),
    });
    let mut value = json!({"made": made, "direction": format!("{:?}", metric.direction), "cap": cap});
    // What is not declared is not part of the plan, so that an earlier plan keeps its hash.
    if let Some(window) = metric.window {
        value["window_seconds"] = json!(window.as_secs_f64());
    }
    if !metric.delay.is_zero() {
        value["delay_seconds"] = json!(metric.delay.as_secs_f64());
    }
    if metric.missing == Missing::Exclude {
        value["missing"] = json!("exclude");
    }
    value
}

fn hash(plan: &BTreeMap<String, Declared>) -> String {
    let lines: Vec<String> = plan.iter().map(|(part, value)| format!("{part}: {value}\n")).collect();
    blake3::hash(lines.concat().as_bytes()).to_hex().to_string()
}

fn changes(before: &BTreeMap<String, Declared>, now: &BTreeMap<String, Declared>) -> Vec<String> {
    let mut parts: Vec<&String> = before.keys().chain(now.keys()).collect();
    parts.sort();
    parts.dedup();
    let shown = |value: Option<&Declared>| value.map_or_else(|| "(nothing)".to_owned(), Declared::to_string);
    parts
        .into_iter()
        .filter(|part| before.get(*part) != now.get(*part))
        .map(|part| format!("{part}: {} -> {}", shown(before.get(part)), shown(now.get(part))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(alpha: f64) -> BTreeMap<String, Declared> {
        BTreeMap::from([
            ("control".to_owned(), json!("a").into()),
            ("statistics".to_owned(), json!({"alpha": alpha}).into()),
        ])
    }

    fn day(day: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * day)
    }

    #[test]
    fn a_plan_is_registered_with_the_first_exposure_and_then_only_amended() {
        assert_eq!(register(None, plan(0.05), None, None, day(1)), None);
        let first = register(None, plan(0.05), Some(day(1)), None, day(2));
        let same = register(first.as_ref(), plan(0.05), Some(day(1)), None, day(3));
        assert_eq!(same, first);
        let amended = register(same.as_ref(), plan(0.1), Some(day(1)), None, day(4));
        let again = register(amended.as_ref(), plan(0.1), Some(day(1)), None, day(4));
        assert_eq!(again, amended, "measuring again amends nothing");
        let (first, amended) = first.zip(amended).unwrap();
        assert_eq!(amended.hash, first.hash, "the plan as registered keeps its hash");
        assert_eq!(amended.amendments.len(), 1);
        assert_eq!(amended.amendments[0].as_of, day(4));
        assert_eq!(amended.amendments[0].changes, [r#"statistics: {"alpha":0.05} -> {"alpha":0.1}"#]);
        assert_ne!(amended.amendments[0].hash, first.hash);
    }
}
