//! Makes a failing case smaller while it fails in the same way, and describes it so that it can be read.

use std::sync::Mutex;

use super::compare::Opinions;
use super::data::World;
use super::duckdb::{self, DuckDb};
use super::grammar::{Definition, Role};
use super::lake::Place;

/// The smallest case that was found, described in full.
pub(super) async fn smallest(
    seed: u64,
    world: &World,
    definitions: Vec<Definition>,
    trouble: &str,
    duckdb: Option<&Mutex<DuckDb>>,
) -> String {
    let definitions = fewer_definitions(world, definitions, trouble, duckdb).await;
    let world = fewer_rows(world.clone(), &definitions, trouble, duckdb).await;
    let opinions = opinions(&world, &definitions, duckdb).await;
    let files: Vec<String> = definitions.iter().map(|d| format!("-- {}\n{}", d.path(), d.text())).collect();
    format!(
        "{trouble}; replay with TRANCHE_PROPERTY_SEED={seed}\n\n{}\nas of {}, universe {}\n\n{}\n{}",
        files.join("\n"),
        world.as_of,
        if world.observed { "observed" } else { "declared" },
        duckdb::setup(&world),
        opinions.shown()
    )
}

async fn opinions(world: &World, definitions: &[Definition], duckdb: Option<&Mutex<DuckDb>>) -> Opinions {
    let place = Place::of(world).await;
    let tables = place.tables(world.cached).await;
    Opinions::of(world, &place, &tables, definitions, duckdb).await
}

/// Leaves out definitions one by one, the last first, as long as what is left fails.
async fn fewer_definitions(
    world: &World,
    mut definitions: Vec<Definition>,
    trouble: &str,
    duckdb: Option<&Mutex<DuckDb>>,
) -> Vec<Definition> {
    let mut next = definitions.len();
    while next > 0 {
        next -= 1;
        let mut fewer = definitions.clone();
        let gone = fewer.remove(next);
        if fewer.iter().any(|other| needs(other, &gone)) {
            continue;
        }
        if opinions(world, &fewer, duckdb).await.trouble().as_deref() == Some(trouble) {
            definitions = fewer;
        }
    }
    definitions
}

fn needs(definition: &Definition, other: &Definition) -> bool {
    match other.role {
        Role::Traits => {
            definition.role != Role::Traits && definition.sql.contains(&other.name.replacen('g', "t", 1))
        }
        Role::Segment => definition.sql.contains(&format!("in_segment('{}'", other.name)),
        Role::Set => definition.sql.contains(&format!("in_segment('{}/", other.name)),
    }
}

/// Leaves out rows, halves of a table first and single ones last, as long as the case fails.
async fn fewer_rows(
    mut world: World,
    definitions: &[Definition],
    trouble: &str,
    duckdb: Option<&Mutex<DuckDb>>,
) -> World {
    for table in 0..world.tables.len() {
        let mut size = world.tables[table].rows.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < world.tables[table].rows.len() {
                let mut fewer = world.clone();
                let rows = &mut fewer.tables[table].rows;
                rows.drain(from..(from + size).min(rows.len()));
                if opinions(&fewer, definitions, duckdb).await.trouble().as_deref() == Some(trouble) {
                    world = fewer;
                } else {
                    from += size;
                }
            }
            size /= 2;
        }
    }
    world
}
