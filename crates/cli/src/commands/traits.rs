//! `trait list` and `show`: computed attributes of entities.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Field;
use serde_json::{Value, json};
use tranche_project::Problems;
use tranche_segment::{Definitions, Profile, QUANTILES, Replay, TraitsDefinition, published_values};

use crate::app::App;
use crate::args::{Format, Trait};
use crate::failure::Failure;
use crate::output::{Rows, print_json, print_text};

pub(super) async fn run(wanted: &Trait, app: &App) -> Result<(), Failure> {
    match wanted {
        Trait::List => list(app).await,
        Trait::Show { name, as_of } => show(name, as_of.as_deref(), app).await,
    }
}

/// A trait with the group that defines it.
struct Found<'a> {
    definitions: &'a Definitions,
    group: &'a TraitsDefinition,
    field: Field,
}

impl Found<'_> {
    fn default(&self) -> Option<String> {
        self.group.defaults.get(self.field.name()).map(|default| default.value.to_string())
    }
}

/// Every trait, in the order of files and columns.
async fn all(app: &App) -> Result<Vec<Found<'_>>, Failure> {
    let mut found = Vec::new();
    let mut problems = Problems::default();
    for pipeline in app.tranche.definitions.pipelines.values() {
        let definitions = &pipeline.definitions;
        let session = app.tranche.definitions.empty_session(&app.tranche.engine)?;
        for group in definitions.traits.values() {
            let plan = match session.plan(group.file.text(), definitions.key(&group.entity)).await {
                Ok(plan) => plan,
                Err(problem) => {
                    problems.push(group.file.problem(problem.position, problem.message));
                    continue;
                }
            };
            let traits = plan.schema().fields().iter().skip(1);
            found.extend(traits.map(|field| Found { definitions, group, field: field.as_ref().clone() }));
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Failure::problems(problems)) }
}

async fn list(app: &App) -> Result<(), Failure> {
    let mut rows = Rows::new(&["trait", "entity", "type", "default", "traits", "file"]);
    for found in all(app).await? {
        rows.push(vec![
            json!(found.field.name()),
            json!(found.group.entity),
            json!(found.field.data_type().to_string()),
            json!(found.default()),
            json!(found.group.name),
            json!(found.group.file.path()),
        ]);
    }
    rows.print(app.global.format)
}

async fn show(name: &str, as_of: Option<&str>, app: &App) -> Result<(), Failure> {
    let traits = all(app).await?;
    let Some(found) = traits.iter().find(|found| found.field.name() == name) else {
        let known = traits.iter().map(|found| found.field.name().as_str());
        return Err(Failure::unknown("trait", name, known, "`tranche trait list` shows all"));
    };
    let as_of = as_of.map(|text| app.tranche.instant(text)).transpose()?;
    let profile = match values(found, as_of, app).await? {
        Some(values) => Some(Profile::of(&values)?),
        None => None,
    };
    let quantiles = profile.as_ref().and_then(|profile| profile.quantiles.as_ref());
    let quantiles = quantiles.map(quantile_values).transpose()?;
    let group = found.group;
    let data_type = found.field.data_type().to_string();
    match app.global.format {
        Format::Json => print_json(
            &json!({
                "trait": name, "entity": group.entity, "type": data_type, "default": found.default(), "traits": group.name,
                "description": group.description, "file": group.file.path(), "as_of": as_of,
                "values": profile.as_ref().map(|profile| json!({
                    "entities": profile.rows, "nulls": profile.nulls, "null_share": profile.null_share(),
                    "distinct": profile.distinct,
                    "quantiles": quantiles.as_ref().map(|values| {
                        values.iter().map(|(quantile, value)| json!({"quantile": quantile, "value": value})).collect::<Vec<_>>()
                    }),
                    "common": profile.common.iter().map(|(value, count)| json!({"value": value, "entities": count}))
                        .collect::<Vec<_>>(),
                })),
            }),
            Format::Json,
        ),
        format @ (Format::Csv | Format::Markdown) => {
            measures(profile.as_ref(), quantiles.as_deref()).print(format)
        }
        Format::Table => {
            let default =
                found.default().map(|default| format!(", {default} by default")).unwrap_or_default();
            let about = group.description.as_deref().unwrap_or("no description");
            print_text(&format!(
                "{name}: {data_type}{default}; one of the traits `{}` of `{}`",
                group.name, group.entity
            ))?;
            print_text(&format!("{about}\n{}\n\n{}", group.file.path(), group.file.text().trim_end()))?;
            match as_of {
                _ if profile.is_none() => {
                    return print_text(
                        "its values were not published yet; run the pipeline, or give --as-of",
                    );
                }
                Some(as_of) => print_text(&format!("values as of {as_of}:"))?,
                None => print_text("values as published last:")?,
            }
            measures(profile.as_ref(), quantiles.as_deref()).print(Format::Table)
        }
    }
}

/// The trait's values for every entity: computed at an instant, or as they were published last.
async fn values(
    found: &Found<'_>,
    as_of: Option<jiff::Timestamp>,
    app: &App,
) -> Result<Option<ArrayRef>, Failure> {
    let lake = app.tranche.lake()?;
    let (entity, name) = (&found.group.entity, found.field.name());
    let Some(as_of) = as_of else {
        let session = app.tranche.engine.session(app.tranche.instant_or_latest(None)?);
        return Ok(published_values(&lake, &session, entity, name).await?);
    };
    let tables = app.tranche.tables(&lake).await?;
    let replay =
        Replay { definitions: found.definitions, tables: &tables, engine: &app.tranche.engine, as_of };
    let wide = replay.traits(entity, &found.group.name).await?;
    Ok(wide.column_by_name(name).cloned())
}

fn quantile_values(values: &ArrayRef) -> Result<Vec<(f64, Value)>, Failure> {
    let batch = RecordBatch::try_from_iter([("value", ArrayRef::clone(values))])
        .map_err(tranche_sql::SqlError::from)?;
    let rows = Rows::from_batches(&batch.schema(), &[batch])?.objects();
    let values = rows.into_iter().map(|mut row| row["value"].take());
    Ok(QUANTILES.into_iter().zip(values).collect())
}

/// What a profile says, one thing a row.
fn measures(profile: Option<&Profile>, quantiles: Option<&[(f64, Value)]>) -> Rows {
    let mut rows = Rows::new(&["measure", "value"]);
    let Some(profile) = profile else { return rows };
    rows.push(vec![json!("entities"), json!(profile.rows)]);
    rows.push(vec![json!("nulls"), json!(profile.nulls)]);
    rows.push(vec![
        json!("null_share"),
        json!(profile.null_share().map(|share| (share * 1e6).round() / 1e6)),
    ]);
    rows.push(vec![json!("distinct"), json!(profile.distinct)]);
    for (quantile, value) in quantiles.into_iter().flatten() {
        rows.push(vec![json!(format!("quantile {quantile}")), value.clone()]);
    }
    for (value, count) in &profile.common {
        rows.push(vec![json!(format!("entities with {value}")), json!(count)]);
    }
    rows
}
