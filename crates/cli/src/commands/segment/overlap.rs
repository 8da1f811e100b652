//! `segment overlap`: what segments have in common.

use serde_json::{Value, json};
use tranche_segment::store::{HistoryRow, latest};
use tranche_segment::{Overlap, overlaps};

use super::{belongs, meant, read_history};
use crate::app::App;
use crate::args::{AsOf, Format};
use crate::failure::Failure;
use crate::output::{Rows, note, print_json};

/// As many segments as fit a matrix on a screen.
const MATRIX: usize = 8;

/// As many pairs as a person looks at where there is no matrix.
const PAIRS: usize = 40;

pub(super) async fn run(
    names: &[String],
    entity: Option<&str>,
    as_of: &AsOf,
    app: &App,
) -> Result<(), Failure> {
    let published = latest(&read_history(as_of, app).await?);
    let (entity, segments) = wanted(names, entity, &published, app)?;
    let found = app.tranche.definitions.find(|pipeline| {
        let definitions = &pipeline.definitions;
        let key = definitions.key(&entity)?;
        Some((key, definitions.entity_contract(&entity)?.column(key)?.data_type.clone()))
    });
    let Some((_, _, (key, key_type))) = found else {
        return Err(Failure::definition(format!("there is no entity `{entity}`")));
    };
    let session = app.tranche.engine.session(app.tranche.instant_or_latest(as_of.as_of.as_deref())?);
    let pairs = overlaps(&app.tranche.lake()?, &session, &entity, (key, &key_type), &segments).await?;
    match app.global.format {
        Format::Json => print_json(&pairs, Format::Json),
        format @ (Format::Csv | Format::Markdown) => list(pairs.iter()).print(format),
        Format::Table if segments.len() <= MATRIX => {
            matrix(&segments, &pairs, &published).print(Format::Table)
        }
        Format::Table => {
            let mut most: Vec<&Overlap> = pairs.iter().filter(|pair| pair.both > 0).collect();
            most.sort_by(|one, other| {
                other.jaccard.unwrap_or_default().total_cmp(&one.jaccard.unwrap_or_default())
            });
            most.truncate(PAIRS);
            let (shown, all) = (most.len(), pairs.len());
            list(most.into_iter()).print(Format::Table)?;
            note(&format!("{shown} of {all} pairs, those with most in common first; --format csv lists all"))
        }
    }
}

/// The entity and the segments that are meant: those named, or all that are published.
fn wanted(
    names: &[String],
    entity: Option<&str>,
    published: &[HistoryRow],
    app: &App,
) -> Result<(String, Vec<String>), Failure> {
    let Some(first) = names.first() else { return everything(entity, published, app) };
    let (_, _, definition) = app.tranche.definitions.segment(first)?;
    let entity = definition.entity.clone();
    let mut segments: Vec<String> = Vec::new();
    for name in names {
        let (_, _, definition) = app.tranche.definitions.segment(name)?;
        if definition.entity != entity {
            return Err(Failure::definition(format!(
                "`{first}` segments `{entity}`, `{name}` segments `{}`",
                definition.entity
            )));
        }
        for row in meant(published, name, definition)? {
            if !segments.contains(&row.segment) {
                segments.push(row.segment.clone());
            }
        }
    }
    if segments.len() < 2 {
        return Err(Failure::definition(format!(
            "`{first}` is one segment; name another to compare it with"
        )));
    }
    Ok((entity, segments))
}

fn everything(
    entity: Option<&str>,
    published: &[HistoryRow],
    app: &App,
) -> Result<(String, Vec<String>), Failure> {
    let mut entities: Vec<&str> = published.iter().map(|row| row.entity.as_str()).collect();
    entities.sort_unstable();
    entities.dedup();
    let entity = match (entity, entities.as_slice()) {
        (Some(entity), known) if known.contains(&entity) => entity,
        (Some(entity), known) => {
            return Err(Failure::unknown(
                "entity with segments",
                entity,
                known.iter().copied(),
                "run its pipeline first",
            ));
        }
        (None, [one]) => one,
        (None, []) => return Err(Failure::data("no segment was refreshed yet; run the pipeline")),
        (None, several) => {
            return Err(Failure::definition(format!("name an entity with --entity: {}", several.join(", "))));
        }
    };
    let definitions =
        || app.tranche.definitions.pipelines.values().flat_map(|p| p.definitions.segments.values());
    let defined = published
        .iter()
        .filter(|row| row.entity == entity && definitions().any(|d| belongs(&row.segment, d)));
    Ok((entity.to_owned(), defined.map(|row| row.segment.clone()).collect()))
}

fn rounded(jaccard: Option<f64>) -> Value {
    jaccard.map_or(Value::Null, |jaccard| json!((jaccard * 1e4).round() / 1e4))
}

fn list<'a>(pairs: impl Iterator<Item = &'a Overlap>) -> Rows {
    let mut rows = Rows::new(&["a", "b", "size_a", "size_b", "both", "jaccard"]);
    for pair in pairs {
        let Overlap { a, b, size_a, size_b, both, jaccard } = pair;
        rows.push(vec![json!(a), json!(b), json!(size_a), json!(size_b), json!(both), rounded(*jaccard)]);
    }
    rows
}

/// A row and a column for each segment: members of both, and their share of the members of either.
fn matrix(segments: &[String], pairs: &[Overlap], published: &[HistoryRow]) -> Rows {
    let columns: Vec<&str> = std::iter::once("segment").chain(segments.iter().map(String::as_str)).collect();
    let mut rows = Rows::new(&columns);
    for row in segments {
        let cell = |column: &String| {
            let of_pair = |pair: &&Overlap| {
                (&pair.a == row && &pair.b == column) || (&pair.b == row && &pair.a == column)
            };
            if row == column {
                let size = published.iter().find(|known| &known.segment == row).map(|known| known.size);
                return json!(size.map(|size| size.to_string()));
            }
            let shown = |pair: &Overlap| match pair.jaccard {
                Some(jaccard) => format!("{} ({jaccard:.2})", pair.both),
                None => pair.both.to_string(),
            };
            json!(pairs.iter().find(of_pair).map(shown))
        };
        rows.push(std::iter::once(json!(row)).chain(segments.iter().map(cell)).collect());
    }
    rows
}
