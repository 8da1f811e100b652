//! `segment why`: whether an entity is a member, and what makes it so.

use serde_json::json;
use tranche_workspace::queries::why::{WhyMember, why};

use crate::app::App;
use crate::args::Format;
use crate::failure::Failure;
use crate::output::{Rows, paragraph, print_document, print_text};

pub(super) async fn run(name: &str, key: &str, as_of: Option<&str>, app: &App) -> Result<(), Failure> {
    let found = why(&app.tranche, name, key, as_of).await?;
    match app.global.format {
        Format::Json => print_document(&found),
        format @ (Format::Csv | Format::Markdown) => conditions(&found).print(format),
        Format::Table => print(&found),
    }
}

fn print(found: &WhyMember) -> Result<(), Failure> {
    print_text(&paragraph(&answer(found)))?;
    if let Some(values) = &found.values {
        let mut rows = Rows::new(&["column", "value"]);
        for (column, value) in values {
            rows.push(vec![json!(column), value.clone()]);
        }
        rows.print_beside(Format::Table)?;
    }
    match &found.conditions {
        Some(none) if none.is_empty() => {
            print_text(&paragraph("the definition has no WHERE: no condition excludes an entity"))?
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
        return print_text("it was never a published member");
    }
    print_text("memberships, as published:")?;
    rows.print_beside(Format::Table)
}

fn answer(found: &WhyMember) -> String {
    let WhyMember { segment: name, key, as_of, entity, .. } = found;
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

fn conditions(found: &WhyMember) -> Rows {
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
