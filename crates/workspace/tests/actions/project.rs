//! A shop with an experiment and a report, over a lake in memory.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tranche_faults::{FailingStore, Failure};
use tranche_project::Project;
use tranche_workspace::{Actions, Place, Tranche};
use url::Url;

/// The project with its raw files.
pub(crate) struct Fixture {
    pub(crate) tranche: Tranche,
    pub(crate) storage: Arc<FailingStore>,
    _folder: tempfile::TempDir,
}

const LAKE: &str = "memory://lake/shop";

impl Fixture {
    /// The project with this pipeline, whose steps may name these actions.
    pub(crate) fn new(pipeline: &str, actions: Actions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        RAW.iter().for_each(|(path, text)| write(folder.path(), path, text));
        let files = [("tranche.yaml", format!("version: 1\nlake: {LAKE}\n").as_str())]
            .into_iter()
            .chain([("pipelines/shop/pipeline.yaml", pipeline)])
            .chain(DEFINITIONS)
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .collect::<Vec<_>>();
        let place = Place { folder: folder.path().to_owned(), lake: None };
        let tranche = Tranche::with_project(&place, Project::from_files(files), actions).unwrap();
        let storage = FailingStore::new(Failure::Before);
        tranche.storage.register(&Url::parse(LAKE).unwrap(), storage.objects());
        Self { tranche, storage, _folder: folder }
    }

    /// The instant at which the tests look.
    pub(crate) fn as_of(&self) -> Timestamp {
        "2026-10-01T00:00:00Z".parse().unwrap()
    }
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

const RAW: [(&str, &str); 4] = [
    ("data/people.csv", "person_id,country\np1,DE\np2,DE\np3,FR\np4,FR\n"),
    (
        "data/exposures.csv",
        "person_id,arm,seen_at\np1,a,2026-09-01T10:00:00Z\np2,b,2026-09-01T11:00:00Z\n\
         p3,a,2026-09-02T10:00:00Z\np4,b,2026-09-02T11:00:00Z\n",
    ),
    (
        "data/purchases.csv",
        "purchase_id,person_id,bought_at,amount\n1,p1,2026-09-03T10:00:00Z,10.00\n\
         2,p2,2026-09-04T10:00:00Z,20.00\n3,p4,2026-09-05T10:00:00Z,5.50\nx,p4,no day,1.00\n",
    ),
    ("data/logins.csv", "login_id,person_id,at\n1,p1,2026-08-01T10:00:00Z\n2,p2,2026-08-02T10:00:00Z\n"),
];

const DEFINITIONS: [(&str, &str); 14] = [
    (
        "schemas/people.yaml",
        "version: 1\ntable: people\nkind: entity\nentity: person\nkey: [person_id]\ncolumns:\n  \
         - {name: person_id, type: utf8, nullable: false}\n  - {name: country, type: utf8}\n",
    ),
    (
        "schemas/exposures.yaml",
        "version: 1\ntable: exposures\nkind: event\nentity: {person: person_id}\nkey: [person_id, arm, seen_at]\n\
         event_time: seen_at\ncolumns:\n  - {name: person_id, type: utf8, nullable: false}\n  \
         - {name: arm, type: utf8, nullable: false}\n  - {name: seen_at, type: 'timestamp(us, UTC)', nullable: false}\n",
    ),
    (
        "schemas/purchases.yaml",
        "version: 1\ntable: purchases\nkind: event\nentity: {person: person_id}\nkey: [purchase_id]\n\
         event_time: bought_at\ncolumns:\n  - {name: purchase_id, type: utf8, nullable: false}\n  \
         - {name: person_id, type: utf8, nullable: false}\n  \
         - {name: bought_at, type: 'timestamp(us, UTC)', nullable: false}\n  \
         - {name: amount, type: 'decimal(12,2)', nullable: false}\n",
    ),
    (
        "schemas/logins.yaml",
        "version: 1\ntable: logins\nkind: event\nentity: {person: person_id}\nkey: [login_id]\nevent_time: at\n\
         columns:\n  - {name: login_id, type: utf8, nullable: false}\n  \
         - {name: person_id, type: utf8, nullable: false}\n  - {name: at, type: 'timestamp(us, UTC)', nullable: false}\n",
    ),
    (
        "pipelines/shop/sources/people.yaml",
        "version: 1\nsource: people\ninto: people\nformat: csv\npath: data/people.csv\n",
    ),
    (
        "pipelines/shop/sources/exposures.yaml",
        "version: 1\nsource: exposures\ninto: exposures\nformat: csv\npath: data/exposures.csv\n",
    ),
    (
        "pipelines/shop/sources/purchases.yaml",
        "version: 1\nsource: purchases\ninto: purchases\nformat: csv\npath: data/purchases.csv\n\
         on_reject: {quarantine: {max_ratio: 0.5}}\n",
    ),
    (
        "pipelines/shop/sources/logins.yaml",
        "version: 1\nsource: logins\ninto: logins\nformat: csv\npath: data/logins.csv\n",
    ),
    (
        "pipelines/shop/traits/activity.sql",
        "/*---\ntraits: activity\nentity: person\n---*/\n\
         SELECT person_id, count(*) AS logins_90d FROM logins WHERE at >= as_of() - INTERVAL '90 days' GROUP BY person_id\n",
    ),
    (
        "pipelines/shop/segments/active.sql",
        "/*---\nsegment: active\nentity: person\n---*/\nSELECT person_id FROM traits WHERE logins_90d > 0\n",
    ),
    (
        "pipelines/shop/metrics/revenue.yaml",
        "version: 1\nmetric: revenue\ntype: mean\nfact: {table: purchases, value: amount, aggregate: sum}\ndirection: increase\n",
    ),
    (
        "pipelines/shop/experiments/banner.yaml",
        "version: 1\nexperiment: banner\nentity: person\nexposure: {table: exposures, variant: arm}\n\
         variants: {a: 0.5, b: 0.5}\ncontrol: a\nperiod: {from: 2026-09-01, to: 2026-09-11}\n\
         metrics: {goal: [revenue]}\nsegments: [active]\n",
    ),
    (
        "pipelines/shop/reports/monthly.yaml",
        "version: 1\nreport: monthly\nperiod: month\ncompare: previous\nsegments: [all, active]\nkpis:\n  \
         - {metric: revenue}\nsections: [scorecard, trends, flows, experiments, data_quality]\nformats: [html, json]\n",
    ),
    (
        "pipelines/shop/reports/quality.yaml",
        "version: 1\nreport: quality\nperiod: month\ncompare: previous\nsegments: [all]\nkpis:\n  \
         - {metric: revenue}\nsections: [data_quality]\nformats: [json]\n",
    ),
];
