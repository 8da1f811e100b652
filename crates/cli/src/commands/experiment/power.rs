//! `experiment power`: how many units and days an experiment needs.

use serde_json::{Value, json};
use tranche_workspace::queries::experiments::{self, PowerPlan, PowerRequest};

use crate::app::App;
use crate::args::{Format, Power};
use crate::failure::Failure;
use crate::output::{Column, Rows, note, paragraph, print_json, print_text};

pub(super) async fn run(wanted: &Power, app: &App) -> Result<(), Failure> {
    let request = PowerRequest {
        power: wanted.power,
        effects: wanted.effect.clone(),
        units_per_day: wanted.units_per_day,
        segment: wanted.segment.clone(),
    };
    let as_of = wanted.as_of.as_deref();
    let plan = experiments::power(&app.tranche, &wanted.experiment, request, as_of).await?;
    match app.global.format {
        Format::Json => print_json(&plan, Format::Json),
        format @ (Format::Csv | Format::Markdown) => sizes(&plan).print(format),
        Format::Table => table(&plan),
    }
}

fn table(plan: &PowerPlan) -> Result<(), Failure> {
    let per_day = plan.units_per_day.map_or_else(|| "unknown".to_owned(), |units| format!("{units:.1}"));
    print_text(&paragraph(&format!(
        "{} before {}: {} units of `{}`, observed {:.1} days, exposed per day: {per_day}; power {}, alpha {}, inference {}",
        plan.experiment,
        plan.as_of,
        plan.units,
        plan.segment,
        plan.observed_days,
        plan.power,
        plan.alpha,
        plan.inference
    )))?;
    sizes(plan).without_empty(&["undefined"]).print(Format::Table)?;
    if plan.metrics.iter().any(|metric| !metric.detectable.is_empty()) {
        print_text("the smallest detectable effect:")?;
        detectable(plan).print_beside(Format::Table)?;
    }
    plan.notes.iter().try_for_each(|text| note(text))
}

fn sizes(plan: &PowerPlan) -> Rows {
    let mut rows = Rows::new(&[
        Column::key("metric"),
        Column::text("role"),
        Column::estimate("mean"),
        Column::estimate("variance").detail(),
        Column::estimate("variance_reduction").detail(),
        Column::estimate("effect").main(),
        Column::estimate("lift"),
        Column::number("control").detail(),
        Column::number("treatment").detail(),
        Column::number("total").main(),
        Column::number("days").main(),
        Column::prose("undefined"),
    ]);
    for metric in &plan.metrics {
        let first = || {
            vec![
                json!(metric.metric),
                json!(metric.role),
                json!(metric.mean),
                json!(metric.variance),
                json!(metric.variance_reduction),
            ]
        };
        for row in &metric.sample_sizes {
            let own = [
                json!(row.effect),
                json!(row.lift),
                json!(row.control),
                json!(row.treatment),
                json!(row.total),
                json!(row.days),
                Value::Null,
            ];
            rows.push(first().into_iter().chain(own).collect());
        }
        if let Some(reason) = &metric.undefined {
            let nothing = std::iter::repeat_n(Value::Null, 6);
            rows.push(first().into_iter().chain(nothing).chain([json!(reason)]).collect());
        }
    }
    rows
}

fn detectable(plan: &PowerPlan) -> Rows {
    let mut rows = Rows::new(&[
        Column::key("metric"),
        Column::number("days"),
        Column::number("total"),
        Column::estimate("effect").main(),
        Column::estimate("lift").main(),
    ]);
    for metric in &plan.metrics {
        for row in &metric.detectable {
            rows.push(vec![
                json!(metric.metric),
                json!(row.days),
                json!(row.total),
                json!(row.effect),
                json!(row.lift),
            ]);
        }
    }
    rows
}
