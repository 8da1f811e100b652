//! Gathering what a report shows, at one `as_of`.

use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use roaring::RoaringBitmap;
use tranche_metric::{Facts, Metric, Population, UnitValues, Wanted, unit_values};
use tranche_scorecard::ExperimentResult;
use tranche_segment::evaluate::{Evaluation, Sharing, evaluate};
use tranche_segment::store::{HistoryRow, history};
use tranche_segment::{EVERYONE, Pattern, Scope, SegmentKind};

use crate::context::BuildContext;
use crate::definition::{KpiChoice, Report, Section};
use crate::document::{
    DataQuality, Direction, ExperimentSummary, KpiRow, KpiSummary, Period, ReportDocument, SegmentSummary,
    SizeAt, SourceQuality, Span, TableVersion, TrendPoint, UnmatchedIds,
};
use crate::error::ReportError;
use crate::kpi::{CONFIDENCE, arm_of, differs, kind, measurement};
use crate::period::Days;
use crate::quality::sources;

/// Periods that a trend line shows.
const TREND_PERIODS: usize = 12;

/// Gathers what a report shows; returns it with the rows that were read for it.
///
/// # Errors
/// [`ReportError`] with who is at fault.
pub async fn build(
    report: &Report,
    context: &BuildContext<'_>,
) -> Result<(ReportDocument, u64), ReportError> {
    let as_of = context.session.as_of();
    let period = Days::last_complete(report.unit, as_of, context.zone);
    let compared = if report.last_year { period.last_year() } else { period.previous() };
    let entity = entity_of(report, context)?;
    let wanted: Vec<String> =
        report.segments.iter().map(|s| s.value.clone()).filter(|s| s != EVERYONE).collect();
    let scope = Scope::of(context.definitions, &entity, &wanted, context.session).await?;
    let facts =
        context.metrics.tables(report.kpis.iter().filter_map(|kpi| context.metrics.get(&kpi.metric.value)));
    let read = scope.tables(context.definitions);
    let tables =
        context.tables.cached(context.engine, |table| read.contains(table) || facts.contains(table)).await?;
    let session = context.engine.session_over(&tables, as_of).await?;
    let context =
        &BuildContext { tables: &tables, session: &session, sources: context.sources.clone(), ..*context };
    let current = evaluation(&scope, as_of, context).await?;
    // Who a KPI is about is settled when its period begins: a segment that is made of what people did in it would only tell that
    // they did it.
    let at_start = evaluation(&scope, period.instants(context.zone).0, context).await?;
    let before = evaluation(&scope, compared.instants(context.zone).0, context).await?;
    let shows = |section: Section| report.sections.contains(&section);
    let kpis = if shows(Section::Scorecard) || shows(Section::Trends) {
        kpis(report, context, &at_start, &before, period, compared).await?
    } else {
        Vec::new()
    };
    let experiments = if shows(Section::Experiments) {
        context.experiments.iter().map(|result| summary(result, context.zone)).collect()
    } else {
        Vec::new()
    };
    let document = ReportDocument {
        report: report.name.clone(),
        title: report.title.clone(),
        description: report.description.clone(),
        pipeline: context.pipeline.to_owned(),
        run_id: context.run_id.to_owned(),
        as_of: as_of.to_string(),
        time_zone: context.zone.iana_name().unwrap_or("UTC").to_owned(),
        period: Period { unit: report.unit, span: period.span() },
        previous_period: Some(compared.span()),
        confidence: Some(CONFIDENCE),
        tables: context
            .tables
            .versions()
            .into_iter()
            .map(|t| TableVersion { table: t.table, version: t.version, rows: Some(t.rows) })
            .collect(),
        segments: if shows(Section::Segments) {
            segments(report, context, &current).await?
        } else {
            Vec::new()
        },
        kpis,
        experiments,
        data_quality: if shows(Section::DataQuality) {
            data_quality(sources(context).await?, unmatched(report, &current))
        } else {
            None
        },
    };
    Ok((document, tables.cached_rows() + current.rows_read + at_start.rows_read + before.rows_read))
}

/// The entity whose members are counted: that of the report's segments, or the only one there is.
fn entity_of(report: &Report, context: &BuildContext<'_>) -> Result<String, ReportError> {
    let named = report
        .segments
        .iter()
        .filter_map(|s| context.definitions.definition_of(&s.value))
        .map(|d| d.entity.as_str());
    let mut entities: Vec<&str> = named.collect();
    if entities.is_empty() {
        entities = context.definitions.contracts.values().filter_map(|c| c.entity()).collect();
    }
    entities.dedup();
    match entities.as_slice() {
        [entity] => Ok((*entity).to_owned()),
        [] => Err(ReportError::Entity {
            report: report.name.clone(),
            reason: "no contract defines an entity".to_owned(),
        }),
        several => Err(ReportError::Entity {
            report: report.name.clone(),
            reason: format!(
                "its segments are of different entities ({}); make a report for each",
                several.join(", ")
            ),
        }),
    }
}

async fn evaluation(
    scope: &Scope,
    as_of: Timestamp,
    context: &BuildContext<'_>,
) -> Result<Evaluation, ReportError> {
    let session = context.engine.session_over(context.tables, as_of).await?;
    Ok(evaluate(context.definitions, scope, context.tables, &session, Sharing::Shared).await?)
}

/// The segments of a report with their members, in its order; `all` is everyone.
fn shown<'a>(report: &Report, evaluation: &'a Evaluation) -> IndexMap<&'a str, RoaringBitmap> {
    let mut found = IndexMap::new();
    for pattern in &report.segments {
        if pattern.value == EVERYONE {
            found.insert(EVERYONE, (0..evaluation.universe).collect::<RoaringBitmap>());
        }
        for (name, members) in &evaluation.segments {
            if Pattern::parse(&pattern.value).covers(name) {
                found.insert(name.as_str(), members.entities.clone());
            }
        }
    }
    found
}

async fn segments(
    report: &Report,
    context: &BuildContext<'_>,
    current: &Evaluation,
) -> Result<Vec<SegmentSummary>, ReportError> {
    let mut by_segment: IndexMap<String, Vec<HistoryRow>> = IndexMap::new();
    for row in history(context.lake, context.session).await? {
        by_segment.entry(row.segment.clone()).or_default().push(row);
    }
    let names = shown(report, current).into_iter().filter(|(name, _)| *name != EVERYONE);
    Ok(names
        .map(|(name, members)| {
            let definition = context.definitions.definition_of(name);
            let rows = by_segment.get(name).map(Vec::as_slice).unwrap_or_default();
            let last = rows.last().filter(|row| row.as_of == context.session.as_of());
            let share = f64::from(u32::try_from(members.len()).unwrap_or(u32::MAX))
                / f64::from(current.universe.max(1));
            SegmentSummary {
                segment: name.to_owned(),
                description: definition.and_then(|d| d.description.clone()),
                set: definition.filter(|d| d.kind == SegmentKind::Set).map(|d| d.name.clone()),
                size: members.len(),
                share: Some(share),
                entered: last.map(|row| row.entered),
                exited: last.map(|row| row.exited),
                unmatched: current.segments.get(name).map_or(0, |m| m.unmatched),
                history: rows
                    .iter()
                    .map(|row| SizeAt { as_of: row.as_of.to_string(), size: row.size })
                    .collect(),
            }
        })
        .collect())
}

async fn kpis(
    report: &Report,
    context: &BuildContext<'_>,
    current: &Evaluation,
    earlier: &Evaluation,
    period: Days,
    compared: Days,
) -> Result<Vec<KpiSummary>, ReportError> {
    let chosen: Vec<(&KpiChoice, &Metric)> =
        report.kpis.iter().filter_map(|kpi| Some((kpi, context.metrics.get(&kpi.metric.value)?))).collect();
    let metrics: Vec<&Metric> = chosen.iter().map(|(_, metric)| *metric).collect();
    let now = measured(&metrics, current, period, context).await?;
    let before = measured(&metrics, earlier, compared, context).await?;
    let trends = trends(report, &metrics, current, period, context).await?;
    let (now_shown, before_shown) = (shown(report, current), shown(report, earlier));
    let mut kpis = Vec::new();
    for (index, (choice, metric)) in chosen.iter().enumerate() {
        let kind = kind(metric);
        let mut rows = Vec::new();
        for (segment, members) in &now_shown {
            let Some(own) = arm_of(&now, metric, members.iter().map(|n| n as usize)) else { continue };
            let previous = before_shown
                .get(segment)
                .and_then(|members| arm_of(&before, metric, members.iter().map(|n| n as usize)));
            let value = measurement(&own, kind);
            let earlier_value = previous.as_ref().map(|arm| measurement(arm, kind));
            let change = value
                .value
                .zip(earlier_value.as_ref().and_then(|m| m.value))
                .filter(|(_, before)| *before != 0.0);
            rows.push(KpiRow {
                segment: (*segment).to_owned(),
                change_ratio: change.map(|(now, before)| (now - before) / before.abs()),
                change_significant: previous.as_ref().is_some_and(|previous| differs(previous, &own)),
                measured: value,
                previous: earlier_value,
            });
        }
        kpis.push(KpiSummary {
            metric: metric.name.clone(),
            description: metric.description.clone(),
            unit: metric.unit.clone(),
            direction: match metric.direction {
                tranche_metric::Direction::Increase => Direction::Increase,
                tranche_metric::Direction::Decrease => Direction::Decrease,
            },
            kind,
            target: choice.target,
            benchmark: choice.benchmark.clone(),
            rows,
            trend: since_the_first(trends.iter().filter_map(|points| points.get(index).cloned().flatten())),
        });
    }
    Ok(kpis)
}

/// The segments that are shown and return ids that the universe lacks.
fn unmatched(report: &Report, current: &Evaluation) -> Vec<UnmatchedIds> {
    let count = |segment: &str| current.segments.get(segment).map_or(0, |members| members.unmatched);
    let all = shown(report, current).into_keys();
    all.map(|segment| UnmatchedIds { segment: segment.to_owned(), count: count(segment) })
        .filter(|ids| ids.count > 0)
        .collect()
}

/// The data of a report, if anything is known of it.
fn data_quality(sources: Vec<SourceQuality>, unmatched: Vec<UnmatchedIds>) -> Option<DataQuality> {
    (!sources.is_empty() || !unmatched.is_empty()).then_some(DataQuality { sources, unmatched })
}

/// The values of metrics for everyone in a period.
async fn measured(
    metrics: &[&Metric],
    evaluation: &Evaluation,
    period: Days,
    context: &BuildContext<'_>,
) -> Result<UnitValues, ReportError> {
    let (from, to) = period.instants(context.zone);
    let units = evaluation.universe as usize;
    let population = Population {
        name: evaluation.entity.clone(),
        entity: evaluation.entity.clone(),
        keys: evaluation.index.column(0..evaluation.universe)?,
        at: vec![from; units],
        until: to,
    };
    let facts = Facts {
        metrics: context.metrics,
        contracts: &context.definitions.contracts,
        tables: context.tables,
        session: context.session,
    };
    let span = tranche_metric::Span::Period(to.duration_since(from));
    let (values, _) =
        unit_values(&[Wanted { population: &population, span, metrics: metrics.to_vec() }], &facts).await?;
    Ok(values.into_iter().next().unwrap_or_default())
}

/// A trend begins with the first period in which anything happened.
fn since_the_first(points: impl Iterator<Item = TrendPoint>) -> Vec<TrendPoint> {
    points.skip_while(|point| point.measured.value == Some(0.0)).collect()
}

/// For each period up to the report's, oldest first, the value of each metric for everyone.
async fn trends(
    report: &Report,
    metrics: &[&Metric],
    everyone: &Evaluation,
    period: Days,
    context: &BuildContext<'_>,
) -> Result<Vec<Vec<Option<TrendPoint>>>, ReportError> {
    if !report.sections.contains(&Section::Trends) {
        return Ok(Vec::new());
    }
    let mut periods: Vec<Days> =
        std::iter::successors(Some(period), |days| Some(days.previous())).take(TREND_PERIODS).collect();
    periods.reverse();
    let mut points = Vec::new();
    for days in periods {
        let values = measured(metrics, everyone, days, context).await?;
        let of = |metric: &&Metric| {
            let measured =
                measurement(&arm_of(&values, metric, 0..everyone.universe as usize)?, kind(metric));
            measured.value.is_some().then(|| TrendPoint { span: days.span(), measured, incomplete: false })
        };
        points.push(metrics.iter().map(of).collect());
    }
    Ok(points)
}

/// A result with its period in days of the project's time zone.
fn summary(result: &ExperimentResult, zone: &TimeZone) -> ExperimentSummary {
    let day = |at: Timestamp| at.to_zoned(zone.clone()).date().to_string();
    let period = &result.period;
    let span = Span { from: day(period.from), to: day(period.to), label: period.label.clone() };
    ExperimentSummary { period: Some(span), result: result.clone() }
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
