//! Publishing: the page and its document as objects of the lake, and the KPIs as rows of a table.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::logical_expr::lit;
use datafusion::prelude::ident;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tranche_schema::layout;
use tranche_schema::platform::{self, kpis as columns};
use tranche_sql::{Session, SqlError, instant_literal};
use tranche_store::object_store::{ObjectStoreExt, path::Path};
use tranche_store::objects::PageFormat;
use tranche_store::{Commit, CommitMode, Lake};

use crate::definition::Report;
use crate::document::{KpiRow, KpiSummary, ReportDocument};
use crate::error::ReportError;
use crate::html::render;

/// The folder of the table of KPIs.
const KPIS_TABLE: &str = layout::KPIS.folder;

/// Where a report was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The page, or what stands for it where none is asked for, as a path or URL.
    pub page: String,
    /// Rows that were written to the table of KPIs.
    pub rows: u64,
}

/// Writes the document, and the page where the report asks for one, under `reports/<report>/<as_of>/`, and the KPIs into
/// their table.
///
/// # Errors
/// [`ReportError`] when something cannot be written.
pub async fn publish(
    report: &Report,
    document: &ReportDocument,
    lake: &Lake,
    session: &Session,
    zone: &TimeZone,
    transaction: &str,
) -> Result<Published, ReportError> {
    let folder = layout::report(&document.report, &session.as_of().to_string());
    let rows = write_kpis(document, lake, session, zone, transaction).await?;
    let mut files =
        vec![(PageFormat::Json, layout::REPORT_DOCUMENT, serde_json::to_string_pretty(document)?)];
    if report.page {
        files.push((PageFormat::Html, layout::REPORT_PAGE, render(document)));
    }
    let mut main = layout::REPORT_DOCUMENT;
    for (format, name, content) in files {
        let path = format!("{folder}/{name}");
        let sealed = format.seal(&path, &content);
        let written = lake.objects().put(&Path::from(path.clone()), sealed.into_bytes().into()).await;
        written.map_err(|source| ReportError::Write { path, source })?;
        main = name;
    }
    let page = lake.url().join(&format!("{folder}/{main}")).map_or_else(
        |_| folder.clone(),
        |url| url.to_file_path().map_or_else(|()| url.to_string(), |path| path.display().to_string()),
    );
    Ok(Published { page, rows })
}

async fn write_kpis(
    document: &ReportDocument,
    lake: &Lake,
    session: &Session,
    zone: &TimeZone,
    transaction: &str,
) -> Result<u64, ReportError> {
    let rows: Vec<(&KpiSummary, &KpiRow)> =
        document.kpis.iter().flat_map(|kpi| kpi.rows.iter().map(move |row| (kpi, row))).collect();
    if rows.is_empty() {
        return Ok(0);
    }
    let n = rows.len();
    let start = |day: &str| {
        let date = day.parse::<jiff::civil::Date>().and_then(|date| date.to_zoned(zone.clone()));
        date.map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
    };
    let instant = |at: Timestamp| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_value(at.as_microsecond(), n).with_timezone("UTC"))
    };
    let text = |value: &dyn Fn(&KpiSummary, &KpiRow) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(kpi, row)| value(kpi, row))))
    };
    let number = |value: &dyn Fn(&KpiRow) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(|(_, row)| value(row)).collect::<Float64Array>())
    };
    let arrays: Vec<ArrayRef> = vec![
        instant(session.as_of()),
        text(&|_, _| document.report.clone()),
        text(&|kpi, _| kpi.metric.clone()),
        text(&|_, row| row.segment.clone()),
        instant(start(&document.period.span.from)),
        instant(start(&document.period.span.to)),
        Arc::new(rows.iter().map(|(_, row)| i64::try_from(row.measured.n).ok()).collect::<Int64Array>()),
        number(&|row| row.measured.value),
        number(&|row| row.measured.interval.and_then(|i| i.low())),
        number(&|row| row.measured.interval.and_then(|i| i.high())),
    ];
    let batch = RecordBatch::try_new(columns::schema(), arrays).map_err(SqlError::from)?;
    let same = ident(columns::REPORT)
        .eq(lit(document.report.as_str()))
        .and(ident(platform::AS_OF).eq(instant_literal(session.as_of())));
    let mode = CommitMode::OverwriteWhere(same);
    let plan = session.frame(batch.schema(), vec![batch])?.logical_plan().clone();
    let identity = format!("{transaction}/{}", document.report);
    lake.commit(session.shared_state(), Commit::new(KPIS_TABLE, &identity, mode, plan)).await?;
    Ok(n as u64)
}
