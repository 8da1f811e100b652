//! The definitions of a shop with an experiment and a report.

/// Loads, refreshes, measures and reports.
pub(crate) const PIPELINE: &str = "version: 1
pipeline: shop
steps:
  - {id: load, ingest: all}
  - {id: segments, refresh: all, needs: [load]}
  - {id: tests, measure: all, needs: [segments]}
  - {id: pages, report: all, needs: [segments, tests]}
  - {id: care, maintain: all, needs: [pages]}
";

pub(crate) const DEFINITIONS: [(&str, &str); 14] = [
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
