//! A lifelike report, for tests: a shop with a segment set and four KPIs; and a crowded one, full of what is rare.

mod crowded;
mod experiment;

pub(crate) use crowded::crowded;

use crate::document::*;

/// A week in which revenue rose, refunds got worse, and one experiment succeeded.
pub(crate) fn document() -> ReportDocument {
    ReportDocument {
        report: "weekly".into(),
        title: Some("How the shop is doing".into()),
        description: Some(
            "Every Monday, for marketing and product: who buys, who lapses, and what our tests showed."
                .into(),
        ),
        pipeline: "shop".into(),
        run_id: "0199b0f2-7c1e-7d43-9b6a-5f2e8c11d0a4".into(),
        as_of: "2026-10-05T00:00:00Z".into(),
        time_zone: "Europe/Berlin".into(),
        period: Period { unit: PeriodUnit::Week, span: span("2026-09-28", "2026-10-05", "Week 40") },
        previous_period: Some(span("2026-09-21", "2026-09-28", "Week 39")),
        confidence: Some(0.95),
        tables: [("customers", 118, 48_213), ("orders", 412, 1_204_881), ("sends", 97, 310_442)]
            .map(|(table, version, rows)| TableVersion { table: table.into(), version, rows: Some(rows) })
            .to_vec(),
        segments: segments(),
        kpis: vec![revenue(), orders(), conversion(), refunds()],
        experiments: vec![experiment::winback(), experiment::believed(), experiment::broken()],
        data_quality: Some(data_quality()),
    }
}

/// A report of nothing.
pub(crate) fn empty() -> ReportDocument {
    ReportDocument {
        title: None,
        description: None,
        previous_period: None,
        confidence: None,
        tables: vec![],
        segments: vec![],
        kpis: vec![],
        experiments: vec![],
        data_quality: None,
        ..document()
    }
}

pub(super) fn span(from: &str, to: &str, label: &str) -> Span {
    Span { from: from.into(), to: to.into(), label: label.into() }
}

pub(super) fn measurement(n: u64, value: f64, margin: f64) -> Measurement {
    Measurement { n, value: Some(value), interval: Some(Interval::new(value - margin, value + margin)) }
}

/// A row whose change is significant when it is larger than both margins.
pub(super) fn row(segment: &str, n: u64, value: f64, margin: f64, before: f64) -> KpiRow {
    KpiRow {
        segment: segment.into(),
        measured: measurement(n, value, margin),
        previous: Some(measurement(n - n / 50, before, margin)),
        change_ratio: (before != 0.0).then(|| (value - before) / before),
        change_significant: (value - before).abs() > 1.4 * margin,
    }
}

fn segments() -> Vec<SegmentSummary> {
    let rows = [
        ("lifecycle/new", Some("lifecycle"), "First order in the last 30 days.", 6_240, 411, 388, 0),
        ("lifecycle/active", Some("lifecycle"), "Ordered in the last 90 days.", 17_905, 902, 1_014, 0),
        (
            "lifecycle/loyal",
            Some("lifecycle"),
            "Five orders or more in a year, the last one recent.",
            8_412,
            133,
            97,
            0,
        ),
        ("lifecycle/lapsing", Some("lifecycle"), "No order for 90 to 180 days.", 9_120, 1_203, 870, 0),
        ("lifecycle/lost", Some("lifecycle"), "No order for more than 180 days.", 6_536, 640, 112, 0),
        ("lapsing_vip", None, "Good customers who have gone quiet.", 1_284, 96, 71, 12),
        ("newsletter_readers_without_order", None, "Reads, but does not buy.", 3_877, 0, 45, 0),
        ("b2b", None, "", 212, 3, 0, 341),
    ];
    rows.map(|(segment, set, description, size, entered, exited, unmatched)| SegmentSummary {
        segment: segment.into(),
        description: Some(description.into()),
        set: set.map(str::to_owned),
        size,
        share: Some(size as f64 / 48_213.0),
        entered: Some(entered),
        exited: Some(exited),
        unmatched,
        history: history(size, if segment == "b2b" { 1 } else { 14 }),
    })
    .to_vec()
}

fn history(size: u64, points: u64) -> Vec<SizeAt> {
    let at = |index: u64| SizeAt {
        as_of: format!("2026-09-{:02}T00:00:00Z", 20 + index % 10),
        size: size - size / 40 + (index * index * 37) % (size / 16),
    };
    (0..points)
        .map(at)
        .chain([SizeAt { as_of: "2026-10-05T00:00:00Z".into(), size }])
        .take(points as usize)
        .collect()
}

fn trend(values: [f64; 12], margin: f64) -> Vec<TrendPoint> {
    let point = |(index, value): (usize, &f64)| TrendPoint {
        span: span("2026-07-13", "2026-07-20", &format!("W{}", 29 + index)),
        measured: measurement(41_000 + 500 * index as u64, *value, margin),
        incomplete: index == 11,
    };
    values.iter().enumerate().map(point).collect()
}

fn kpi(
    metric: &str,
    description: &str,
    unit: Option<&str>,
    direction: Direction,
    kind: ValueKind,
) -> KpiSummary {
    KpiSummary {
        metric: metric.into(),
        description: Some(description.into()),
        unit: unit.map(str::to_owned),
        direction,
        kind,
        target: None,
        benchmark: None,
        rows: vec![],
        trend: vec![],
    }
}

fn revenue() -> KpiSummary {
    KpiSummary {
        target: Some(35.0),
        benchmark: Some(Benchmark { value: 31.0, source: Some("trade association 2025".into()) }),
        rows: vec![
            row("all", 46_812, 36.24, 0.82, 33.42),
            row("lifecycle/new", 6_240, 24.1, 1.9, 23.2),
            row("lifecycle/active", 17_905, 41.72, 1.4, 39.9),
            row("lifecycle/loyal", 8_412, 78.33, 3.1, 66.4),
            row("lifecycle/lapsing", 9_120, 6.4, 0.7, 8.1),
            row("lifecycle/lost", 6_536, 0.52, 0.2, 0.55),
            row("lapsing_vip", 1_284, 19.85, 5.2, 22.4),
            KpiRow {
                segment: "b2b".into(),
                measured: Measurement { n: 0, value: None, interval: None },
                previous: None,
                change_ratio: None,
                change_significant: false,
            },
        ],
        trend: trend([31.2, 30.9, 31.8, 32.4, 31.7, 32.9, 33.6, 33.1, 33.9, 34.2, 33.42, 36.24], 0.82),
        ..kpi("revenue", "Paid order value per customer.", Some("EUR"), Direction::Increase, ValueKind::Mean)
    }
}

fn orders() -> KpiSummary {
    KpiSummary {
        target: Some(20_000.0),
        rows: vec![
            row("all", 46_812, 19_412.0, 271.0, 19_266.0),
            row("lifecycle/loyal", 8_412, 9_127.0, 187.0, 9_004.0),
        ],
        trend: trend(
            [
                17_200.0, 17_450.0, 17_020.0, 18_100.0, 18_330.0, 18_020.0, 18_700.0, 18_900.0, 19_010.0,
                19_120.0, 19_266.0, 19_412.0,
            ],
            271.0,
        ),
        ..kpi("orders", "Paid orders.", None, Direction::Increase, ValueKind::Count)
    }
}

fn conversion() -> KpiSummary {
    KpiSummary {
        target: Some(0.045),
        benchmark: Some(Benchmark { value: 0.038, source: None }),
        rows: vec![
            row("all", 48_213, 0.0447, 0.0018, 0.0441),
            row("lifecycle/new", 6_240, 0.081, 0.0068, 0.0665),
        ],
        trend: trend(
            [0.041, 0.042, 0.0405, 0.043, 0.0428, 0.0431, 0.044, 0.0436, 0.0439, 0.0445, 0.0441, 0.0447],
            0.0018,
        ),
        ..kpi(
            "conversion",
            "Visitors who order within a day.",
            None,
            Direction::Increase,
            ValueKind::Proportion,
        )
    }
}

fn refunds() -> KpiSummary {
    KpiSummary {
        target: Some(0.02),
        rows: vec![
            row("all", 19_412, 0.0261, 0.0022, 0.0213),
            row("lifecycle/loyal", 9_127, 0.0192, 0.0028, 0.0201),
        ],
        trend: trend(
            [0.021, 0.0205, 0.02, 0.0215, 0.0209, 0.0211, 0.0204, 0.0207, 0.0214, 0.021, 0.0213, 0.0261],
            0.0022,
        ),
        ..kpi(
            "refund_rate",
            "Orders refunded within 14 days.",
            None,
            Direction::Decrease,
            ValueKind::Proportion,
        )
    }
}

pub(super) fn data_quality() -> DataQuality {
    let reason = |reason: &str, count| RejectReason { reason: reason.into(), count };
    let source = |source: &str, files, rows, rejected, reasons| SourceQuality {
        source: source.into(),
        files,
        rows,
        rejected,
        reasons,
    };
    DataQuality {
        sources: vec![
            source("customers", 1, 48_213, 0, vec![]),
            source(
                "orders",
                7,
                1_206_093,
                1_212,
                vec![reason("amount < 0", 1_100), reason("ordered_at is not a timestamp", 112)],
            ),
        ],
        unmatched: unmatched(&segments()),
    }
}

/// What the segments count, once more.
pub(super) fn unmatched(segments: &[SegmentSummary]) -> Vec<UnmatchedIds> {
    let ids = |summary: &SegmentSummary| UnmatchedIds {
        segment: summary.segment.clone(),
        count: summary.unmatched,
    };
    segments.iter().filter(|summary| summary.unmatched > 0).map(ids).collect()
}
