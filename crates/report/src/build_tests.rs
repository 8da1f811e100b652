//! A report of a small shop, held against numbers that were worked out by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use indexmap::IndexMap;
use tranche_metric::Metrics;
use tranche_project::{Problems, Project, SourceFile, yaml};
use tranche_schema::{Contract, ContractSpec};
use tranche_segment::Definitions;
use tranche_sql::{Engine, EngineOptions, Tables, table_folder};
use tranche_store::{Commit, CommitMode, Lake, Storage};

use super::*;
use crate::document::{KpiRow, UnmatchedIds};

const PEOPLE: &str = "kind: entity\nentity: person\nkey: [person_id]\ncolumns:\n\
                      - {name: person_id, type: utf8, nullable: false}\n- {name: country, type: utf8}\n";
const PURCHASES: &str = "kind: event\nentity: {person: person_id}\nkey: [purchase_id]\nevent_time: bought_at\ncolumns:\n\
                         - {name: purchase_id, type: utf8, nullable: false}\n- {name: person_id, type: utf8, nullable: false}\n\
                         - {name: bought_at, type: 'timestamp(us, UTC)', nullable: false}\n\
                         - {name: amount, type: 'decimal(12,2)', nullable: false}\n";

const DEFINITIONS: [(&str, &str); 6] = [
    (
        "segments/buyers.sql",
        "/*---\nsegment: buyers\nentity: person\n---*/\n\
         SELECT person_id FROM purchases WHERE bought_at >= as_of() - INTERVAL '60 days'\n",
    ),
    (
        "segments/home.sql",
        "/*---\nsegment_set: home\nentity: person\n---*/\n\
         SELECT person_id, CASE WHEN country = 'DE' THEN 'germany' ELSE 'abroad' END AS label FROM traits\n",
    ),
    (
        "metrics/revenue.yaml",
        "version: 1\nmetric: revenue\ntype: mean\nfact: {table: purchases, value: amount, aggregate: sum}\nunit: EUR\n",
    ),
    (
        "metrics/orders.yaml",
        "version: 1\nmetric: orders\ntype: count\nfact: {table: purchases, aggregate: count}\n",
    ),
    (
        "metrics/basket.yaml",
        "version: 1\nmetric: basket\ntype: ratio\nnumerator: revenue\ndenominator: orders\nunit: EUR\n",
    ),
    (
        "reports/monthly.yaml",
        "version: 1\nreport: monthly\nperiod: month\nsegments: [all, buyers, home/*]\n\
         kpis: [{metric: revenue, target: 9}, {metric: orders}, {metric: basket}]\n",
    ),
];

/// A lake with people and their purchases, and a report over them.
struct Shop {
    lake: Lake,
    engine: Engine,
    definitions: Definitions,
    metrics: Metrics,
    report: Report,
}

impl Shop {
    /// Four people; purchases of them and of two that the entity table lacks.
    async fn new(universe: &str) -> Self {
        let storage = Storage::new(BTreeMap::new());
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: 2 };
        let mut problems = Problems::default();
        let people = format!("universe: {universe}\n{PEOPLE}");
        let contracts: IndexMap<String, Contract> = [("people", people.as_str()), ("purchases", PURCHASES)]
            .map(|(table, text)| (table.to_owned(), contract(table, text)))
            .into();
        let files = DEFINITIONS.map(|(path, text)| (format!("pipelines/shop/{path}"), text.to_owned()));
        let project = Project::from_files(files);
        let definitions = Definitions::read(&project, "shop", &contracts, &mut problems);
        let metrics = Metrics::read(&project, "shop", &mut problems);
        let mut reports = crate::definition::read(&project, "shop", &mut problems);
        crate::definition::check(&reports, &definitions, &metrics, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let shop = Self {
            lake: Lake::open(&storage, "memory://report/lake", Path::new("/")).unwrap(),
            engine: Engine::new(&options).unwrap(),
            definitions,
            metrics,
            report: reports.swap_remove("monthly").unwrap(),
        };
        shop.write("people", &[&["p1", "DE"], &["p2", "DE"], &["p3", "FR"], &["p4", "FR"]]).await;
        shop.write(
            "purchases",
            &[
                &["1", "p1", "2026-03-10T10:00:00Z", "30.00"],
                &["2", "p2", "2026-03-20T10:00:00Z", "10.00"],
                &["3", "p1", "2026-08-15T10:00:00Z", "40.00"],
                &["4", "p3", "2026-08-20T10:00:00Z", "20.00"],
                &["5", "ghost", "2026-08-25T10:00:00Z", "99.00"],
                &["6", "p1", "2026-09-05T10:00:00Z", "8.00"],
                &["7", "p2", "2026-09-10T10:00:00Z", "12.00"],
                &["8", "guest", "2026-09-15T10:00:00Z", "6.00"],
                &["9", "ghost", "2026-09-28T10:00:00Z", "5.00"],
                &["10", "p1", "2026-10-02T10:00:00Z", "16.00"],
                &["11", "p4", "2026-10-20T10:00:00Z", "24.00"],
                &["12", "p4", "2026-11-02T10:00:00Z", "1000.00"],
            ],
        )
        .await;
        shop
    }

    async fn write<const N: usize>(&self, table: &str, rows: &[&[&str; N]]) {
        let session = self.engine.session(Timestamp::UNIX_EPOCH);
        let schema = self.definitions.contracts[table].arrow_schema();
        let column = |(place, field): (usize, &Arc<arrow::datatypes::Field>)| -> ArrayRef {
            let texts = StringArray::from_iter_values(rows.iter().map(|row| row[place]));
            cast(&texts, field.data_type()).unwrap()
        };
        let columns = schema.fields().iter().enumerate().map(column).collect();
        let batch = RecordBatch::try_new(schema, columns).unwrap();
        let plan = session.frame(batch.schema(), vec![batch]).unwrap().logical_plan().clone();
        let commit = Commit::new(&table_folder(table), "load", CommitMode::Append, plan);
        self.lake.commit(session.shared_state(), commit).await.unwrap();
    }

    /// The report about October 2026.
    async fn october(&self) -> ReportDocument {
        let as_of = "2026-11-01T00:00:00Z".parse().unwrap();
        let tables = Tables::open(&self.lake, self.definitions.contracts.values()).await.unwrap();
        let session = self.engine.session_over(&tables, as_of).await.unwrap();
        let context = BuildContext {
            lake: &self.lake,
            engine: &self.engine,
            session: &session,
            definitions: &self.definitions,
            metrics: &self.metrics,
            experiments: &[],
            tables: &tables,
            sources: Vec::new(),
            pipeline: "shop",
            run_id: "r1",
            zone: &TimeZone::UTC,
        };
        build(&self.report, &context).await.unwrap().0
    }
}

fn contract(table: &str, text: &str) -> Contract {
    let file =
        SourceFile::new(&format!("schemas/{table}.yaml"), &format!("version: 1\ntable: {table}\n{text}"));
    let spec: ContractSpec = yaml::read(&file, &mut Problems::default()).unwrap();
    spec.validate(&mut |_, message| panic!("{message}")).unwrap()
}

/// Segment, entities, value and the value before; values as text, so that they can be read.
type Row<'a> = (&'a str, u64, &'a str, &'a str);

#[track_caller]
fn check_rows(document: &ReportDocument, metric: &str, expected: &[Row<'_>]) {
    let kpi = document.kpis.iter().find(|kpi| kpi.metric == metric).unwrap();
    let text = |value: Option<f64>| value.map_or("none".to_owned(), |value| format!("{value:.3}"));
    let before = |row: &KpiRow| text(row.previous.as_ref().and_then(|previous| previous.value));
    let found: Vec<(&str, u64, String, String)> = kpi
        .rows
        .iter()
        .map(|row| (row.segment.as_str(), row.measured.n, text(row.measured.value), before(row)))
        .collect();
    let found: Vec<Row<'_>> =
        found.iter().map(|(segment, n, now, before)| (*segment, *n, now.as_str(), before.as_str())).collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn check_trend(document: &ReportDocument, metric: &str, expected: &[(&str, f64)]) {
    let kpi = document.kpis.iter().find(|kpi| kpi.metric == metric).unwrap();
    let found: Vec<(&str, f64)> = kpi
        .trend
        .iter()
        .map(|point| (point.span.label.as_str(), (point.measured.value.unwrap() * 1e3).round() / 1e3))
        .collect();
    assert_eq!(found, expected);
}

/// A KPI is about the members when its period begins, and its comparison about those when the compared period begins.
#[tokio::test(flavor = "multi_thread")]
async fn kpis_are_about_the_members_at_the_beginning() {
    let document = Shop::new("declared").await.october().await;
    let rows = [
        ("all", 4, "10.000", "5.000"),
        ("buyers", 3, "5.333", "4.000"),
        ("home/abroad", 2, "12.000", "0.000"),
        ("home/germany", 2, "8.000", "10.000"),
    ];
    check_rows(&document, "revenue", &rows);
    let rows = [
        ("all", 4, "2.000", "2.000"),
        ("buyers", 3, "1.000", "1.000"),
        ("home/abroad", 2, "1.000", "0.000"),
        ("home/germany", 2, "1.000", "2.000"),
    ];
    check_rows(&document, "orders", &rows);
    let trend = [
        ("Mar 2026", 10.0),
        ("Apr 2026", 0.0),
        ("May 2026", 0.0),
        ("Jun 2026", 0.0),
        ("Jul 2026", 0.0),
        ("Aug 2026", 15.0),
        ("Sep 2026", 5.0),
        ("Oct 2026", 10.0),
    ];
    check_trend(&document, "revenue", &trend);
    check_trend(
        &document,
        "basket",
        &[("Mar 2026", 20.0), ("Aug 2026", 30.0), ("Sep 2026", 10.0), ("Oct 2026", 20.0)],
    );
}

/// Who is seen for the first time after the compared period began counts in the period alone; the trend is about one population.
#[tokio::test(flavor = "multi_thread")]
async fn each_period_has_its_own_entities() {
    let document = Shop::new("observed").await.october().await;
    let rows = [
        ("all", 6, "6.667", "5.000"),
        ("buyers", 5, "3.200", "4.333"),
        ("home/abroad", 4, "6.000", "1.667"),
        ("home/germany", 2, "8.000", "10.000"),
    ];
    check_rows(&document, "revenue", &rows);
    let trend = [
        ("Mar 2026", 6.667),
        ("Apr 2026", 0.0),
        ("May 2026", 0.0),
        ("Jun 2026", 0.0),
        ("Jul 2026", 0.0),
        ("Aug 2026", 26.5),
        ("Sep 2026", 5.167),
        ("Oct 2026", 6.667),
    ];
    check_trend(&document, "revenue", &trend);
}

/// Ids that a definition returns and the universe lacks are a matter of the data, whether or not segments are shown.
#[tokio::test(flavor = "multi_thread")]
async fn unmatched_ids_are_counted() {
    let unmatched = |document: ReportDocument| document.data_quality.map(|quality| quality.unmatched);
    let mut shop = Shop::new("declared").await;
    let buyers = UnmatchedIds { segment: "buyers".to_owned(), count: 2 };
    assert_eq!(unmatched(shop.october().await), Some(vec![buyers.clone()]));
    shop.report.sections = vec![Section::DataQuality];
    assert_eq!(unmatched(shop.october().await), Some(vec![buyers]));
    shop.report.sections = vec![Section::Scorecard];
    assert_eq!(unmatched(shop.october().await), None);
    assert_eq!(unmatched(Shop::new("observed").await.october().await), None);
}
