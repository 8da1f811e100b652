//! `experiment list`, `show`, `power`, `validate` and `assign`: what was measured, what would have to be, whether it can be believed, and
//! who gets which variant.

mod power;
mod validate;

use std::process::ExitCode;

use serde_json::{Value, json};
use tranche_experiment::store;
use tranche_scorecard::{Effect, ExperimentResult, Interval, Severity};

use crate::args::{AsOf, Experiment, Format};
use crate::failure::Failure;
use crate::output::{Rows, print_json, print_text};
use crate::workbench::Workbench;

pub(super) async fn run(experiment: &Experiment, bench: &Workbench) -> Result<ExitCode, Failure> {
    let done = match experiment {
        Experiment::List => list(bench).await,
        Experiment::Show { experiment, as_of } => show(experiment, as_of, bench).await,
        Experiment::Power(wanted) => power::run(wanted, bench).await,
        Experiment::Validate(wanted) => return validate::run(wanted, bench).await,
        Experiment::Assign { experiment, id } => assign(experiment, id, bench).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

async fn list(bench: &Workbench) -> Result<(), Failure> {
    let mut rows =
        Rows::new(&["experiment", "pipeline", "hypothesis", "as_of", "units", "trustworthy", "decision"]);
    let (lake, session) = (bench.lake()?, bench.engine.session(bench.instant_or_latest(None)?));
    for (pipeline, definitions) in &bench.workspace.pipelines {
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
    rows.print(bench.global.format)
}

async fn assign(name: &str, ids: &[String], bench: &Workbench) -> Result<(), Failure> {
    let Some((_, _, experiment)) = bench.workspace.find(|pipeline| pipeline.experiments.get(name)) else {
        return Err(unknown(name));
    };
    bench.check_file(experiment.file.path()).await?;
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
    rows.print(bench.global.format)
}

fn unknown(name: &str) -> Failure {
    Failure::definition(format!("there is no experiment `{name}`; `tranche experiment list` shows all"))
}

async fn show(name: &str, as_of: &AsOf, bench: &Workbench) -> Result<(), Failure> {
    if bench.workspace.find(|pipeline| pipeline.experiments.get(name)).is_none() {
        return Err(unknown(name));
    }
    let session = bench.engine.session(bench.instant_or_latest(as_of.as_of.as_deref())?);
    let Some(result) = store::read(&bench.lake()?, &session, name).await? else {
        return Err(Failure::data(format!("experiment `{name}` was not measured yet; run its pipeline")));
    };
    if bench.global.format == Format::Json {
        return print_json(&result, Format::Json);
    }
    if bench.global.format == Format::Table {
        print_text(&summary(&result))?;
    }
    match bench.global.format {
        Format::Table => estimates(&result)
            .only(|name| !["ci_adjusted", "risk", "trustworthy"].contains(&name))
            .print(Format::Table)?,
        format => estimates(&result).print(format)?,
    }
    if bench.global.format == Format::Table && !result.heterogeneity.is_empty() {
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
        let (absolute, relative) = (row.absolute.effect(), row.relative.effect());
        let number = |of: fn(&Effect) -> Option<f64>| absolute.and_then(of);
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
            rounded(absolute.map(|effect| effect.effect)),
            range(absolute.map(|effect| effect.ci)),
            rounded(relative.map(|effect| effect.effect)),
            range(relative.map(|effect| effect.ci)),
            number(|effect| effect.p).map_or_else(|| json!(row.undefined), scientific),
            json!(row.family),
            number(|effect| effect.p_adjusted).map_or(Value::Null, scientific),
            range(absolute.and_then(|effect| effect.ci_adjusted)),
            rounded(number(|effect| effect.chance_to_win)),
            rounded(number(|effect| effect.risk)),
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
fn range(interval: Option<Interval>) -> Value {
    let Some(interval) = interval else { return Value::Null };
    let end =
        |bound: Option<f64>, open: &str| bound.map_or_else(|| open.to_owned(), |bound| format!("{bound:.5}"));
    json!(format!("[{}, {}]", end(interval.low(), "-inf"), end(interval.high(), "inf")))
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
