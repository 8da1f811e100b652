//! `segment why`: whether an entity is a member, and what makes it so.

use jiff::Timestamp;
use serde_json::{Value, json};
use tranche_segment::{Replay, SegmentDefinition, Why, why};

use crate::app::App;
use crate::args::Format;
use crate::failure::Failure;
use crate::output::{Rows, paragraph, print_json, print_text};

pub(super) async fn run(name: &str, key: &str, as_of: Option<&str>, app: &App) -> Result<(), Failure> {
    let (pipeline, definitions, definition) = app.tranche.definitions.segment(name)?;
    app.tranche.check_file(definition.file.path()).await?;
    let label = name.split_once('/').map(|(_, label)| label).filter(|label| *label != "*");
    let lake = app.tranche.lake()?;
    let as_of = app.tranche.instant_or_last_refresh(as_of, pipeline, &definition.entity, &lake).await?;
    let tables = app.tranche.tables(&lake).await?;
    let replay =
        Replay { definitions: &definitions.definitions, tables: &tables, engine: &app.tranche.engine, as_of };
    let found = why(&replay, definition, label, key, &lake).await?;
    let values = values(&found)?;
    match app.global.format {
        Format::Json => print_json(
            &json!({
                "segment": name, "entity": definition.entity, "key": key, "as_of": as_of, "is_entity": found.is_entity,
                "is_member": found.is_member, "label": found.label, "taken_by": found.taken_by, "values": values,
                "conditions": found.conditions, "memberships": found.memberships,
            }),
            Format::Json,
        ),
        format @ (Format::Csv | Format::Markdown) => conditions(&found).print(format),
        Format::Table => print(name, key, as_of, definition, &found, &values),
    }
}

fn print(
    name: &str,
    key: &str,
    as_of: Timestamp,
    definition: &SegmentDefinition,
    found: &Why,
    values: &Value,
) -> Result<(), Failure> {
    print_text(&paragraph(&answer(name, key, as_of, definition, found)))?;
    if let Some(values) = values.as_object() {
        let mut rows = Rows::new(&["column", "value"]);
        for (column, value) in values {
            rows.push(vec![json!(column), value.clone()]);
        }
        rows.print_beside(Format::Table)?;
    }
    match &found.conditions {
        Some(none) if none.is_empty() => {
            print_text(&paragraph("the definition has no WHERE, so that nothing keeps an entity out"))?
        }
        Some(several) if several.iter().any(|condition| condition.rows != 1) => {
            conditions(found).print(Format::Table)?
        }
        Some(_) => conditions(found).only(|column| !column.starts_with("rows")).print(Format::Table)?,
        None if found.is_entity => {
            print_text(&paragraph(
                "the definition is not a SELECT of the key from one table: it has no conditions to show one by one",
            ))?;
        }
        None => {}
    }
    let mut rows = Rows::new(&["segment", "entered_at", "exited_at"]);
    for membership in &found.memberships {
        rows.push(vec![json!(membership.segment), json!(membership.entered_at), json!(membership.exited_at)]);
    }
    if found.memberships.is_empty() {
        return print_text("it never was a member in what is published");
    }
    print_text("memberships, as published:")?;
    rows.print_beside(Format::Table)
}

fn answer(name: &str, key: &str, as_of: Timestamp, definition: &SegmentDefinition, found: &Why) -> String {
    let entity = &definition.entity;
    if !found.is_entity {
        return format!("there is no {entity} `{key}` as of {as_of}");
    }
    let is = if found.is_member { "is" } else { "is not" };
    let mut text = format!("{entity} `{key}` {is} in `{name}` as of {as_of}");
    match (&found.label, &found.taken_by) {
        (Some(label), _) if label != name => text = format!("{text}: it is in `{label}`"),
        (_, Some(other)) => text = format!("{text}: `{other}` comes first in its group and has it"),
        _ => {}
    }
    text
}

/// The entity's values as an object; null when there is no such entity.
fn values(found: &Why) -> Result<Value, Failure> {
    let rows = Rows::from_batches(&found.values.schema(), std::slice::from_ref(&found.values))?;
    Ok(rows.objects().into_iter().next().unwrap_or(Value::Null))
}

fn conditions(found: &Why) -> Rows {
    let mut rows = Rows::new(&["condition", "value", "rows_true", "rows"]);
    for condition in found.conditions.iter().flatten() {
        let value = condition.value.map_or("null", |value| if value { "true" } else { "false" });
        rows.push(vec![
            json!(condition.condition),
            json!(value),
            json!(condition.rows_true),
            json!(condition.rows),
        ]);
    }
    rows
}
