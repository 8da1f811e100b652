//! Integrity of what refreshes published: history, memberships and traits agree.

use std::collections::BTreeMap;

use datafusion::functions_aggregate::expr_fn::{count, count_distinct, sum};
use datafusion::logical_expr::{cast, lit, when};
use datafusion::prelude::ident;
use tranche_schema::layout;
use tranche_schema::platform::{SEGMENT, memberships};
use tranche_sql::{Session, SqlError, column_i64, column_text};
use tranche_store::integrity::Finding;
use tranche_store::{Lake, Snapshot};

use crate::error::SegmentError;
use crate::memberships::stored_key;
use crate::store::{HistoryRow, history, latest, memberships_table, traits_table};

/// Findings in the memberships, the history and the traits of all entities.
///
/// # Errors
/// [`SegmentError`] when a table cannot be read at all.
pub async fn check_integrity(lake: &Lake, session: &Session) -> Result<Vec<Finding>, SegmentError> {
    let history = history(lake, session).await?;
    let mut findings = chains(&history);
    let latest = latest(&history);
    let mut entities: Vec<String> = latest.iter().map(|row| row.entity.clone()).collect();
    let tables = lake.tables().await?;
    entities.extend(tables.iter().filter_map(|table| layout::MEMBERSHIPS.name_in(table)).map(str::to_owned));
    entities.sort_unstable();
    entities.dedup();
    for entity in entities {
        let expected: BTreeMap<&str, u64> = latest
            .iter()
            .filter(|row| row.entity == entity)
            .map(|row| (row.segment.as_str(), row.size))
            .collect();
        findings.extend(check_memberships(lake, session, &entity, &expected).await?);
        findings.extend(check_traits(lake, session, &entity).await?);
    }
    Ok(findings)
}

/// From one refresh of a segment to the next, its size changes by who entered and exited.
fn chains(history: &[HistoryRow]) -> Vec<Finding> {
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut findings = Vec::new();
    for row in history {
        let before = sizes.insert(&row.segment, row.size).unwrap_or_default();
        if before + row.entered != row.size + row.exited {
            let problem = format!(
                "segment_history: `{}` as of {} has size {}, but {before} before, {} entered and {} exited",
                row.segment, row.as_of, row.size, row.entered, row.exited
            );
            findings.push(Finding::new(problem, rebuild(&row.segment)));
        }
    }
    findings
}

fn rebuild(segment: &str) -> String {
    format!("publish it again: `tranche segment backfill {segment} --from FIRST --to LAST --rebuild`")
}

/// What the memberships of a segment amount to.
struct MembershipCounts {
    open: u64,
    twice: u64,
    inverted: u64,
}

async fn check_memberships(
    lake: &Lake,
    session: &Session,
    entity: &str,
    expected: &BTreeMap<&str, u64>,
) -> Result<Vec<Finding>, SegmentError> {
    let table = memberships_table(entity);
    let stored = lake.snapshot(&table).await?;
    let counted = match &stored {
        Some(snapshot) => counted(snapshot, session).await?,
        None => BTreeMap::new(),
    };
    let mut findings = Vec::new();
    for (segment, size) in expected {
        let open = counted.get(*segment).map_or(0, |counted| counted.open);
        if open != *size {
            let problem = format!(
                "`{table}` has {open} members of `{segment}`, its last refresh in segment_history {size}"
            );
            findings.push(Finding::new(problem, rebuild(segment)));
        }
    }
    for (segment, counted) in &counted {
        if !expected.contains_key(segment.as_str()) && counted.open > 0 {
            let problem = format!(
                "`{table}` has {} members of `{segment}`, of which segment_history has no refresh",
                counted.open
            );
            findings.push(Finding::new(problem, rebuild(segment)));
        }
        if counted.twice > 0 {
            let problem = format!(
                "`{table}` has {} entities more than once among the members of `{segment}`",
                counted.twice
            );
            findings.push(Finding::new(problem, rebuild(segment)));
        }
        if counted.inverted > 0 {
            let problem = format!(
                "`{table}` has {} memberships of `{segment}` that end before they begin",
                counted.inverted
            );
            findings.push(Finding::new(problem, rebuild(segment)));
        }
    }
    Ok(findings)
}

async fn counted(
    snapshot: &Snapshot,
    session: &Session,
) -> Result<BTreeMap<String, MembershipCounts>, SegmentError> {
    let Some(key) = stored_key(snapshot)? else { return Ok(BTreeMap::new()) };
    let open = || ident(memberships::EXITED_AT).is_null();
    let number = |condition| when(condition, lit(1_i64)).otherwise(lit(0_i64)).map_err(SqlError::engine);
    let open_key = when(open(), ident(key.name)).end().map_err(SqlError::engine)?;
    let inverted = number(ident(memberships::EXITED_AT).lt_eq(ident(memberships::ENTERED_AT)))?;
    let frame = session
        .read(snapshot)
        .await?
        .aggregate(
            vec![ident(SEGMENT)],
            vec![
                count(open_key.clone()).alias("open"),
                count_distinct(open_key).alias("distinct"),
                sum(cast(inverted, arrow::datatypes::DataType::Int64)).alias("inverted"),
            ],
        )
        .map_err(SqlError::engine)?;
    let batches = session.collect_frame(frame).await?.batches;
    let counts = |column| column_i64(&batches, column);
    let counts = counts(1)?.into_iter().zip(counts(2)?).zip(counts(3)?);
    let natural = |value: Option<i64>| value.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    let counted = counts.map(|((open, distinct), inverted)| {
        let (open, distinct) = (natural(open), natural(distinct));
        MembershipCounts { open, twice: open.saturating_sub(distinct), inverted: natural(inverted) }
    });
    Ok(column_text(&batches, 0)?.into_iter().map(Option::unwrap_or_default).zip(counted).collect())
}

/// The wide table has one row for each entity.
async fn check_traits(lake: &Lake, session: &Session, entity: &str) -> Result<Vec<Finding>, SegmentError> {
    let table = traits_table(entity);
    let (Some(traits), Some(memberships)) =
        (lake.snapshot(&table).await?, lake.snapshot(&memberships_table(entity)).await?)
    else {
        return Ok(Vec::new());
    };
    let Some(key) = stored_key(&memberships)? else { return Ok(Vec::new()) };
    let advice = "run the pipeline's refresh of `all` again with --full";
    if traits.schema()?.field_with_name(&key.name).is_err() {
        return Ok(vec![Finding::new(format!("`{table}` has no column `{}`", key.name), advice)]);
    }
    let frame = session.read(&traits).await?;
    let frame = frame
        .aggregate(
            Vec::new(),
            vec![count(lit(1_i64)).alias("rows"), count_distinct(ident(key.name)).alias("distinct")],
        )
        .map_err(SqlError::engine)?;
    let batches = session.collect_frame(frame).await?.batches;
    let first = |column| {
        column_i64(&batches, column).map(|values| values.first().copied().flatten().unwrap_or_default())
    };
    let (rows, distinct) = (first(0)?, first(1)?);
    if rows == distinct {
        return Ok(Vec::new());
    }
    Ok(vec![Finding::new(format!("`{table}` has {rows} rows of {distinct} entities"), advice)])
}
