//! `trait list` and `show`: computed attributes of entities.

use serde_json::json;
use tranche_workspace::queries::traits::{TraitDescription, TraitValues, list, show};

use crate::app::App;
use crate::args::{Format, Trait};
use crate::failure::Failure;
use crate::output::{Rows, print_document, print_records, print_text};

pub(super) async fn run(wanted: &Trait, app: &App) -> Result<(), Failure> {
    let format = app.global.format;
    match wanted {
        Trait::List => {
            let columns = ["trait", "entity", "type", "default", "traits", "file"];
            print_records(&columns, &list(&app.tranche).await?, format)
        }
        Trait::Show { name, as_of, personal } => {
            print(&show(&app.tranche, name, as_of.as_deref(), *personal).await?, format)
        }
    }
}

fn print(found: &TraitDescription, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => print_document(found),
        format @ (Format::Csv | Format::Markdown) => measures(found.values.as_ref()).print(format),
        Format::Table => {
            let row = &found.row;
            let default =
                row.default.as_ref().map(|default| format!(", {default} by default")).unwrap_or_default();
            let about = found.description.as_deref().unwrap_or("no description");
            print_text(&format!(
                "{}: {}{default}; one of the traits `{}` of `{}`",
                row.name, row.data_type, row.traits, row.entity
            ))?;
            print_text(&format!("{about}\n{}\n\n{}", row.file, found.text.trim_end()))?;
            if found.values.is_none() {
                return print_text("its values were not published yet; run the pipeline, or give --as-of");
            }
            match found.as_of {
                Some(as_of) => print_text(&format!("values as of {as_of}:"))?,
                None => print_text("values as published last:")?,
            }
            measures(found.values.as_ref()).print(Format::Table)?;
            match &found.values {
                Some(values) if values.is_withheld => {
                    print_text("single values are personal data (`pii`); --personal shows them")
                }
                _ => Ok(()),
            }
        }
    }
}

/// How values are distributed, one measure a row.
fn measures(values: Option<&TraitValues>) -> Rows {
    let mut rows = Rows::new(&["measure", "value"]);
    let Some(values) = values else { return rows };
    rows.push(vec![json!("entities"), json!(values.entities)]);
    rows.push(vec![json!("nulls"), json!(values.nulls)]);
    rows.push(vec![json!("null_share"), json!(values.null_share.map(|share| (share * 1e6).round() / 1e6))]);
    rows.push(vec![json!("distinct"), json!(values.distinct)]);
    for found in values.quantiles.iter().flatten() {
        rows.push(vec![json!(format!("quantile {}", found.quantile)), found.value.clone()]);
    }
    for found in &values.common {
        rows.push(vec![json!(format!("entities with {}", found.value)), json!(found.entities)]);
    }
    rows
}
