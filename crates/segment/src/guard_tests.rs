//! Conditions guard what can fail, and a definition that fails stops no other.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use indexmap::IndexMap;
use jiff::Timestamp;
use tranche_faults::{FailingStore, Failure};
use tranche_project::{Problems, Project, SourceFile, yaml};
use tranche_schema::{Contract, ContractSpec};
use tranche_sql::{Engine, EngineOptions, Session, Tables, column_i64, column_text, table_folder};
use tranche_store::{Commit, CommitMode, Lake};

use crate::Elsewhere;
use crate::evaluate::{Sharing, evaluate};
use crate::refresh::{OnFailure, RefreshContext, RefreshReport, refresh};
use crate::store::{members, traits_table};
use crate::{Definitions, Scope, SegmentError};

const PEOPLE: &str = "version: 1\ntable: people\nkind: entity\nentity: person\nkey: [person_id]\ncolumns:\n\
                      - {name: person_id, type: utf8, nullable: false}\n";
const ORDERS: &str = "version: 1\ntable: orders\nkind: event\nentity: {person: person_id}\nkey: [id]\nevent_time: at\ncolumns:\n\
                      - {name: id, type: int64, nullable: false}\n\
                      - {name: person_id, type: utf8}\n\
                      - {name: at, type: 'timestamp(us, UTC)', nullable: false}\n\
                      - {name: total, type: int64}\n\
                      - {name: pieces, type: int64}\n\
                      - {name: note, type: utf8}\n";

/// An order: id, person, day, total, pieces and note.
type Row = (i64, &'static str, i64, i64, i64, &'static str);

/// Orders. From the sixth day on there are some without pieces.
const ROWS: [Row; 4] =
    [(2, "a", 2, 10, 5, "7"), (4, "c", 4, 9, 3, "9"), (3, "b", 6, 7, 0, "x"), (1, "a", 6, 10, 0, "y")];

/// What the segments under test may refer to.
const OTHERS: [(&str, &str); 2] = [
    (
        "traits: sums",
        "SELECT person_id, sum(total) AS total, sum(pieces) AS pieces FROM orders GROUP BY person_id",
    ),
    ("segment: threes", "SELECT person_id FROM orders WHERE pieces = 3"),
];

fn day(n: i64) -> Timestamp {
    Timestamp::from_second(n * 86_400).unwrap()
}

struct World {
    lake: Lake,
    engine: Engine,
    contracts: IndexMap<String, Contract>,
}

impl World {
    async fn new() -> Self {
        let mut problems = Problems::default();
        let contracts = [PEOPLE, ORDERS].map(|text| {
            let spec: ContractSpec =
                yaml::read(&SourceFile::new("schemas/a.yaml", text), &mut problems).unwrap();
            let contract = spec.validate(&mut |_, message| panic!("{message}")).unwrap();
            (contract.table.clone(), contract)
        });
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: 2 };
        let lake = crate::failing::lake(&FailingStore::new(Failure::Before));
        let world = Self { lake, engine: Engine::new(&options).unwrap(), contracts: contracts.into() };
        let texts = |texts: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(texts)) };
        let numbers = |number: fn(&Row) -> i64| -> ArrayRef {
            Arc::new(ROWS.iter().map(|row| Some(number(row))).collect::<Int64Array>())
        };
        let at = ROWS.iter().map(|row| day(row.2).as_microsecond() + 43_200_000_000);
        let at = TimestampMicrosecondArray::from_iter_values(at).with_timezone("UTC");
        world.write("people", vec![texts(vec!["a", "b", "c", "d"])]).await;
        let columns = vec![
            numbers(|row| row.0),
            texts(ROWS.iter().map(|row| row.1).collect()),
            Arc::new(at),
            numbers(|row| row.3),
            numbers(|row| row.4),
            texts(ROWS.iter().map(|row| row.5).collect()),
        ];
        world.write("orders", columns).await;
        world
    }

    async fn write(&self, table: &str, columns: Vec<ArrayRef>) {
        let session = self.engine.session(day(0));
        let rows = RecordBatch::try_new(self.contracts[table].arrow_schema(), columns).unwrap();
        let plan = session.frame(rows.schema(), vec![rows]).unwrap().logical_plan().clone();
        let commit = Commit::new(&table_folder(table), "load", CommitMode::Append, plan);
        self.lake.commit(session.shared_state(), commit).await.unwrap();
    }

    fn definitions(&self, files: &[(&str, &str)]) -> Definitions {
        let files = files.iter().enumerate().map(|(n, (head, sql))| {
            let folder = if head.starts_with("traits") { "traits" } else { "segments" };
            let text = format!("/*---\n{head}\nentity: person\n---*/\n{sql}\n");
            (format!("pipelines/shop/{folder}/s{n}.sql"), text)
        });
        let mut problems = Problems::default();
        let definitions =
            Definitions::read(&Project::from_files(files), "shop", &self.contracts, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        definitions
    }

    async fn at(&self, as_of: Timestamp) -> (Tables, Session) {
        let tables = Tables::open(&self.lake, self.contracts.values()).await.unwrap();
        let session = self.engine.session_over(&tables, as_of).await.unwrap();
        (tables, session)
    }

    /// The members of the segment `s`, whose query this is.
    async fn members_of(&self, sql: &str, sharing: Sharing) -> Result<Vec<String>, SegmentError> {
        let definitions = self.definitions(&[&OTHERS[..], &[("segment: s", sql)]].concat());
        let (tables, session) = self.at(day(30)).await;
        let scope = Scope::of(&definitions, "person", &["s".to_owned()], &session).await.unwrap();
        let (tables, session) = (tables, self.at(session.as_of()).await.1);
        let found = evaluate(&definitions, &scope, &tables, &session, sharing).await?;
        let keys = found.index.column(found.segments["s"].entities.iter()).unwrap();
        let keys = cast(&keys, &DataType::Utf8).unwrap();
        let keys = keys.as_string::<i32>();
        Ok((0..keys.len()).map(|row| keys.value(row).to_owned()).collect())
    }

    async fn refresh(
        &self,
        files: &[(&str, &str)],
        as_of: i64,
        on_failure: OnFailure,
    ) -> Result<RefreshReport, SegmentError> {
        let (tables, session) = self.at(day(as_of)).await;
        let context = RefreshContext {
            lake: &self.lake,
            tables: &tables,
            session: &session,
            pipeline: "shop",
            full: false,
            transaction: &format!("run/{as_of}"),
            on_failure,
            elsewhere: &Elsewhere::default(),
        };
        refresh(&self.definitions(files), None, &context).await
    }

    /// The published members of segments.
    async fn published(&self, segments: &[&str], as_of: i64) -> BTreeMap<String, Vec<String>> {
        let mut published = BTreeMap::new();
        let session = self.engine.session(day(as_of));
        for segment in segments {
            let found = members(&self.lake, &session, "person", "person_id", segment).await.unwrap().unwrap();
            let keys = column_text(&found.batches, 0).unwrap();
            published.insert((*segment).to_owned(), keys.into_iter().flatten().collect());
        }
        published
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_guard_each_other() {
    let world = World::new().await;
    let shared_alone = [Sharing::Shared];
    let both = [Sharing::Shared, Sharing::OneByOne];
    for (sharing, sql, expected) in [
        (&both[..], "SELECT person_id FROM orders WHERE pieces > 0 AND total / pieces <= 3", &["a", "c"][..]),
        (&both, "SELECT person_id FROM orders WHERE total / pieces <= 3 AND pieces > 0", &["a", "c"]),
        (&both, "SELECT person_id FROM orders WHERE pieces = 0 OR total / pieces = 2", &["a", "b"]),
        (
            &both,
            "SELECT person_id FROM orders WHERE CASE WHEN pieces = 0 THEN false ELSE total / pieces = 2 END",
            &["a"],
        ),
        (&both, "SELECT person_id FROM orders WHERE id IN (2, 4) AND CAST(note AS bigint) = 9", &["c"]),
        (
            &both,
            "SELECT person_id FROM orders WHERE at < as_of() - INTERVAL '25 days' AND total / pieces = 3",
            &["c"],
        ),
        (
            &both,
            "SELECT person_id FROM (SELECT person_id, total / pieces AS price FROM orders WHERE pieces <> 0) AS t \
             WHERE price >= 2 AND price < 3",
            &["a"],
        ),
        (
            &both,
            "SELECT person_id FROM orders GROUP BY person_id \
             HAVING sum(total / pieces) FILTER (WHERE pieces <> 0) >= 2",
            &["a", "c"],
        ),
        (
            &both,
            "SELECT person_id FROM orders GROUP BY person_id HAVING sum(total % pieces) FILTER (WHERE pieces > 0) = 0",
            &["a", "c"],
        ),
        (
            &both,
            "SELECT person_id FROM orders GROUP BY person_id \
             HAVING sum(pieces) > 0 AND sum(total) / sum(pieces) > 3",
            &["a"],
        ),
        (&both, "SELECT person_id FROM traits WHERE pieces > 0 AND total / pieces = 3", &["c"]),
        (
            &both,
            "SELECT person_id FROM traits WHERE pieces IS NULL OR pieces <> 0 AND NOT total / pieces = 3",
            &["a", "d"],
        ),
        (
            &both,
            "SELECT person_id FROM orders WHERE pieces > 0 AND total / pieces = 3 ORDER BY id LIMIT 9",
            &["c"],
        ),
        // The engine by itself looks at orders before it looks at whose they are.
        (
            &shared_alone,
            "SELECT person_id FROM orders WHERE in_segment('threes') AND total / pieces > 1",
            &["c"],
        ),
        (
            &shared_alone,
            "SELECT p.person_id FROM people AS p JOIN orders AS o ON o.person_id = p.person_id \
             WHERE p.person_id = 'c' AND o.total / o.pieces = 3",
            &["c"],
        ),
    ] {
        for sharing in sharing {
            let found = world.members_of(sql, *sharing).await.map_err(|error| error.to_string());
            assert_eq!(found, Ok(expected.iter().map(|&key| key.to_owned()).collect()), "{sql}: {sharing:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_names_its_definition_and_the_row() {
    let world = World::new().await;
    for (sql, expected) in [
        (
            "SELECT person_id FROM orders WHERE pieces < 5 AND total / pieces > 1 AND id < 4",
            "`s` failed: divide by zero error in `total / pieces > 1`, for the row of `orders` with id = 3, \
             total = 7, pieces = 0",
        ),
        (
            "SELECT person_id FROM orders GROUP BY person_id HAVING sum(total) / sum(pieces) > 3",
            "`s` failed: divide by zero error in `sum(total) / sum(pieces) > 3`, for the row of `person` with \
             person_id = b, sum(total) = 7, sum(pieces) = 0",
        ),
    ] {
        let failed = world.members_of(sql, Sharing::Shared).await.unwrap_err().to_string();
        let failed = failed.replace("id = 1, total = 10", "id = 3, total = 7");
        assert_eq!(failed, expected);
    }
}

/// A definition that fails from the seventh day on, two that need it, and others.
const FILES: [(&str, &str); 6] = [
    ("traits: prices", "SELECT person_id, max(total / pieces) AS price FROM orders GROUP BY person_id"),
    ("traits: counts", "SELECT person_id, count(*) AS orders FROM orders GROUP BY person_id"),
    ("segment: priced", "SELECT person_id FROM orders WHERE total / pieces > 1"),
    ("segment: dear", "SELECT person_id FROM traits WHERE price > 2"),
    ("segment: both", "SELECT person_id FROM traits WHERE in_segment('priced')"),
    ("segment: free", "SELECT person_id FROM orders WHERE pieces = 0"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_fails_stops_no_other_when_that_is_asked_for() {
    let world = World::new().await;
    let segments = ["priced", "dear", "both", "free"];
    let expected = |free: &[&str]| -> BTreeMap<String, Vec<String>> {
        let all = [("priced", &["a", "c"][..]), ("dear", &["c"]), ("both", &["a", "c"]), ("free", free)];
        let owned = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
        all.into_iter().map(|(segment, keys)| (segment.to_owned(), owned(keys))).collect()
    };
    world.refresh(&FILES, 5, OnFailure::Stop).await.unwrap();
    assert_eq!(world.published(&segments, 5).await, expected(&[]));

    let stopped = world.refresh(&FILES, 7, OnFailure::Stop).await.unwrap_err().to_string();
    let names = |lines: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        lines.map(|line| line.split('`').nth(1).unwrap_or_default().to_owned()).collect()
    };
    let mut named = names(&mut stopped.lines());
    named.sort_unstable();
    assert_eq!(named, ["both", "dear", "priced", "prices"], "{stopped}");
    assert_eq!(world.published(&segments, 7).await, expected(&[]));

    let report = world.refresh(&FILES, 7, OnFailure::Continue).await.unwrap();
    assert_eq!(world.published(&segments, 7).await, expected(&["a", "b"]));
    assert_eq!(report.segments.iter().map(|s| s.segment.as_str()).collect::<Vec<_>>(), ["free"]);
    let failed = report.failed.join("\n");
    assert!(failed.contains("`both` needs `priced`, which failed"), "{failed}");
    assert!(failed.contains("`dear` needs `prices`, which failed"), "{failed}");

    // Traits that failed are what they were.
    let session = world.engine.session(day(7));
    let stored = world.lake.snapshot(&traits_table("person")).await.unwrap().unwrap();
    let frame = session.read(&stored).await.unwrap();
    let columns = ["price", "orders"].map(datafusion::prelude::ident).to_vec();
    let order = vec![datafusion::prelude::ident("person_id").sort(true, false)];
    let frame = frame.sort(order).unwrap().select(columns).unwrap();
    let traits = session.collect_frame(frame).await.unwrap();
    assert_eq!(column_i64(&traits.batches, 0).unwrap(), [Some(2), None, Some(3), None]);
    assert_eq!(column_i64(&traits.batches, 1).unwrap(), [Some(2), Some(1), Some(1), None]);

    // What failed is not taken for what is known, and what is mended is published by the same run.
    let mended = FILES.map(|(head, sql)| (head, sql.replace("total / pieces", "total / nullif(pieces, 0)")));
    let mended: Vec<(&str, &str)> = mended.iter().map(|(head, sql)| (*head, sql.as_str())).collect();
    let report = world.refresh(&mended, 7, OnFailure::Continue).await.unwrap();
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(world.published(&segments, 7).await, expected(&["a", "b"]));
    let again = world.refresh(&FILES, 8, OnFailure::Stop).await.unwrap_err().to_string();
    assert!(again.contains("`priced` failed"), "{again}");
}
