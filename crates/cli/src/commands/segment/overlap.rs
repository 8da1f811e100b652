//! `segment overlap`: what segments have in common.

use serde_json::{Value, json};
use tranche_workspace::queries::overlap::{Overlap, Overlaps, overlap};

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
    let found = overlap(&app.tranche, names, entity, as_of.as_of.as_deref()).await?;
    match app.global.format {
        Format::Json => print_json(&found.pairs, Format::Json),
        format @ (Format::Csv | Format::Markdown) => list(found.pairs.iter()).print(format),
        Format::Table if found.segments.len() <= MATRIX => matrix(&found).print(Format::Table),
        Format::Table => {
            let mut most: Vec<&Overlap> = found.pairs.iter().filter(|pair| pair.both > 0).collect();
            most.sort_by(|one, other| {
                other.jaccard.unwrap_or_default().total_cmp(&one.jaccard.unwrap_or_default())
            });
            most.truncate(PAIRS);
            let (shown, all) = (most.len(), found.pairs.len());
            list(most.into_iter()).print(Format::Table)?;
            note(&format!("{shown} of {all} pairs, those with most in common first; --format csv lists all"))
        }
    }
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
fn matrix(found: &Overlaps) -> Rows {
    let names = || found.segments.iter().map(|(name, _)| name);
    let columns: Vec<&str> = std::iter::once("segment").chain(names().map(String::as_str)).collect();
    let mut rows = Rows::new(&columns);
    for (row, size) in &found.segments {
        let cell = |column: &String| {
            let of_pair = |pair: &&Overlap| {
                (&pair.a == row && &pair.b == column) || (&pair.b == row && &pair.a == column)
            };
            if row == column {
                return json!(size.map(|size| size.to_string()));
            }
            let shown = |pair: &Overlap| match pair.jaccard {
                Some(jaccard) => format!("{} ({jaccard:.2})", pair.both),
                None => pair.both.to_string(),
            };
            json!(found.pairs.iter().find(of_pair).map(shown))
        };
        rows.push(std::iter::once(json!(row)).chain(names().map(cell)).collect());
    }
    rows
}
