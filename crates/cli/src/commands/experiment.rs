//! `experiment list`, `show`, `power`, `validate` and `assign`: what was measured, what would have to be, whether it can be believed, and
//! who gets which variant.

mod power;
mod validate;

use std::process::ExitCode;

use serde_json::{Value, json};
use tranche_experiment::{EstimateRow, ExperimentResult, Severity, store};

use crate::args::{AsOf, Experiment, Format};
use crate::failure::Failure;
use crate::output::{Rows, print_json, print_text};
use crate::app::App;

pub(super) async fn run(experiment: &Experiment, app: &App) -> Result<ExitCode, Failure> {
    let done = match experiment {
        Experiment::List => list(app).await,
        Experiment::Show { experiment, as_of } => show(experiment, as_of, app).await,
        Experiment::Power(wanted) => power::run(wanted, app).await,
        Experiment::Validate(wanted) => return validate::run(wanted, app).await,
        Experiment::Assign { experiment, id } => assign(experiment, id, app).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

async fn list(app: &App) -> Result<(), Failure> {
    let mut rows =
        Rows::new(&["experiment", "pipeline", "hypothesis", "as_of", "units", "trustworthy", "decision"]);
    let (lake, session) = (app.tranche.lake()?, app.tranche.engine.session(app.tranche.instant_or_latest(None)?));
    for (pipeline, definitions) in &app.tranche.definitions.pipelines {
        for (name, experiment) in &definitions.experiments {
            let result = store::read_without_series(&lake, &session, name).await?;
            let units = result.as_ref().map(|r| r.srm.observed.iter().map(|v| v.count).sum::<u64>());
            rows.push(vec![
                json!(name),
                json!(pipeline),
                json!(experiment.hypothesis),
                json!(result.as_ref().map(|r| r.as_of)),
                json!(units),
                json!(result.as_ref().map(|r| r.trustworthy)),
                json!(result.as_ref().map(|r| &r.decision.action)),
            ]);
        }
    }
    rows.print(app.global.format)
}

async fn assign(name: &str, ids: &[String], app: &App) -> Result<(), Failure> {
    let Some((_, _, experiment)) = app.tranche.definitions.find(|pipeline| pipeline.experiments.get(name)) else {
        return Err(unknown(name));
    };
    app.tranche.check_file(experiment.file.path()).await?;
    let mut rows = Rows::new(&["experiment", "id", "hash", "in_namespace", "variant"]);
    for id in ids {
        let found = experiment.assign(id);
        let hash = json!(found.hash);
        rows.push(vec![
            json!(found.experiment),
            json!(found.id),
            hash,
            json!(found.in_namespace),
            json!(found.variant),
        ]);
    }
    rows.print(app.global.format)
}

fn unknown(name: &str) -> Failure {
    Failure::definition(format!("there is no experiment `{name}`; `tranche experiment list` shows all"))
}

async fn show(name: &str, as_of: &AsOf, app: &App) -> Result<(), Failure> {
    if app.tranche.definitions.find(|pipeline| pipeline.experiments.get(name)).is_none() {
        return Err(unknown(name));
    }
    let session = app.tranche.engine.session(app.tranche.instant_or_latest(as_of.as_of.as_deref())?);
    let Some(result) = store::read(&app.tranche.lake()?, &session, name).await? else {
        return Err(Failure::data(format!("experiment `{name}` was not measured yet; run its pipeline")));
    };
    if app.global.format == Format::Json {
        return print_json(&result, Format::Json);
    }
    if app.global.format == Format::Table {
        print_text(&summary(&result))?;
    }
    match app.global.format {
        Format::Table => estimates(&result)
            .only(|name| !["ci_adjusted", "risk", "trustworthy"].contains(&name))
            .print(Format::Table)?,
        format => estimates(&result).print(format)?,
    }
    if app.global.format == Format::Table && !result.heterogeneity.is_empty() {
        print_text("between segments:")?;
        between(&result).print(Format::Table)?;
    }
    Ok(())
}

/// One row for each estimate; columns that no estimate fills are left out.
fn estimates(result: &ExperimentResult) -> Rows {
    const COLUMNS: [&str; 23] = [
        "metric",
        "role",
        "segment",
        "variant",
        "n",
        "mean",
        "control_n",
        "control_mean",
        "clusters",
        "control_clusters",
        "absolute",
        "ci",
        "relative",
        "ci ",
        "p",
        "family",
        "p_adjusted",
        "ci_adjusted",
        "chance_to_win",
        "risk",
        "margin_p",
        "conclusion",
        "trustworthy",
    ];
    let mut rows = Rows::new(&COLUMNS);
    let mut filled = COLUMNS.map(|column| !OPTIONAL.contains(&column));
    for row in &result.estimates {
        let number = |name: &str| EstimateRow::number(&row.absolute, name);
        let values = vec![
            json!(row.metric),
            json!(row.role),
            json!(row.segment),
            json!(row.variant),
            json!(row.n),
            rounded(row.mean),
            json!(row.control_n),
            rounded(row.control_mean),
            json!(row.basis.clusters),
            json!(row.basis.control_clusters),
            rounded(number("effect")),
            range(&row.absolute, "ci"),
            rounded(EstimateRow::number(&row.relative, "effect")),
            range(&row.relative, "ci"),
            number("p").map_or_else(|| json!(row.undefined), scientific),
            json!(row.family),
            number("p_adjusted").map_or(Value::Null, scientific),
            range(&row.absolute, "ci_adjusted"),
            rounded(number("chance_to_win")),
            rounded(number("risk")),
            row.non_inferiority.as_ref().and_then(|test| test.p).map_or(Value::Null, scientific),
            json!(row.conclusion),
            json!(result.trustworthy),
        ];
        for (filled, value) in filled.iter_mut().zip(&values) {
            *filled |= !value.is_null();
        }
        rows.push(values);
    }
    rows.only(|name| COLUMNS.iter().zip(filled).any(|(column, filled)| *column == name && filled))
}

/// Columns of [`estimates`] that only some results have.
const OPTIONAL: [&str; 9] = [
    "clusters",
    "control_clusters",
    "family",
    "p_adjusted",
    "ci_adjusted",
    "chance_to_win",
    "risk",
    "margin_p",
    "conclusion",
];

fn between(result: &ExperimentResult) -> Rows {
    let mut rows = Rows::new(&[
        "set",
        "metric",
        "variant",
        "q",
        "df",
        "p",
        "p_adjusted",
        "i_squared",
        "segment",
        "effect",
        "pooled",
        "p_rest",
    ]);
    for test in &result.heterogeneity {
        for segment in &test.segments {
            rows.push(vec![
                json!(test.set),
                json!(test.metric),
                json!(test.variant),
                rounded(Some(test.q)),
                json!(test.degrees_of_freedom),
                scientific(test.p),
                test.p_adjusted.map_or(Value::Null, scientific),
                rounded(Some(test.i_squared)),
                json!(segment.segment),
                rounded(Some(segment.effect)),
                rounded(Some(segment.pooled_effect)),
                scientific(segment.p),
            ]);
        }
    }
    rows
}

fn rounded(value: Option<f64>) -> Value {
    value.map_or(Value::Null, |value| json!(format!("{value:.5}")))
}

fn scientific(value: f64) -> Value {
    json!(format!("{value:.4e}"))
}

/// An interval; a side without a bound is open.
fn range(effect: &Value, name: &str) -> Value {
    let Some(ends) = effect.get(name) else { return Value::Null };
    let end = |place: usize, open: &str| {
        ends.get(place).and_then(Value::as_f64).map_or_else(|| open.to_owned(), |end| format!("{end:.5}"))
    };
    json!(format!("[{}, {}]", end(0, "-inf"), end(1, "inf")))
}

fn summary(result: &ExperimentResult) -> String {
    let mut lines = vec![format!(
        "{} as of {}: {}",
        result.experiment,
        result.as_of,
        result.hypothesis.as_deref().unwrap_or_default()
    )];
    let split: Vec<String> =
        result.srm.observed.iter().map(|v| format!("{} {}", v.variant, v.count)).collect();
    let p = result.srm.p.map_or_else(|| "-".to_owned(), |p| format!("{p:.4}"));
    lines.push(format!("{}: {} (sample ratio p = {p})", result.srm.counted, split.join(", ")));
    lines.push(inference(result));
    let failed =
        |severity| result.checks.iter().filter(|check| !check.ok && check.severity == severity).count();
    let (gates, warnings, all) = (failed(Severity::Gate), failed(Severity::Warning), result.checks.len());
    let estimators = result.method.estimators.iter();
    lines.extend(estimators.map(|one| format!("{} {}: {}", one.estimator, one.parameters, one.formula)));
    lines.extend(result.method.families.iter().map(|family| {
        format!(
            "family {}: {} comparisons by {} ({})",
            family.family, family.comparisons, family.adjust, family.holds
        )
    }));
    if !result.trustworthy {
        lines.push(format!("NOT TRUSTWORTHY: {gates} of {all} checks of the data failed, see the notes"));
    }
    if warnings > 0 {
        lines.push(format!("warnings: {warnings} of {all} checks of the data, see the notes"));
    }
    lines.push(format!("decision: {} ({})", result.decision.action, result.decision.reasons.join("; ")));
    if let Some(plan) = &result.plan {
        let hash = plan.hash.get(..12).unwrap_or(&plan.hash);
        lines.push(format!(
            "plan: {hash}, registered at {}, {} amendments since",
            plan.registered_at,
            plan.amendments.len()
        ));
    }
    lines.extend(result.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

fn inference(result: &ExperimentResult) -> String {
    let look = result.method.look.as_ref().map_or_else(String::new, |look| {
        format!(
            ", look {} of {} with {:.3} of the information, alpha spent {:.5}",
            look.number, look.planned, look.fraction, look.spent
        )
    });
    format!("inference: {}, alpha {}{look}: {}", result.inference, result.method.alpha, result.method.formula)
}
