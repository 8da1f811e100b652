//! The facts of a table's files, divided in every way: what parts find and merge is what one scan finds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use tranche_incremental::FileClass;
use tranche_project::{Problems, Project, SourceFile, yaml};
use tranche_schema::{Contract, ContractSpec};
use tranche_sql::keys::KeyShare;
use tranche_sql::scan::{Partial, Scanned, TableSources};
use tranche_sql::{Engine, EngineOptions, ExactSum, Session, Tables, table_folder};
use tranche_store::{Commit, CommitMode, Lake, Storage};

use super::*;
use crate::accumulate::{CapturedFacts, Coverage, FactScan, OpenColumn, PartialFacts};
use crate::definition::{Metric, Metrics};
use crate::plan::{Span, UnitIndex};
use crate::values::MetricValues;

const FILES: usize = 4;
const SEEDS: u64 = 4;

const CONTRACTS: [&str; 2] = [
    "version: 1\ntable: orders\nkind: event\nentity: {person: buyer}\nkey: [id]\nevent_time: at\ncolumns:\n\
     - {name: id, type: utf8, nullable: false}\n- {name: buyer, type: utf8}\n- {name: kind, type: utf8}\n\
     - {name: amount, type: 'decimal(12,2)'}\n- {name: items, type: int64}\n- {name: weight, type: float64}\n\
     - {name: at, type: 'timestamp(us, UTC)', nullable: false}\n",
    "version: 1\ntable: visits\nkind: event\nentity: {person: visitor}\nkey: [id]\nevent_time: at\ncolumns:\n\
     - {name: id, type: utf8, nullable: false}\n- {name: visitor, type: utf8}\n- {name: page, type: utf8}\n\
     - {name: at, type: 'timestamp(us, UTC)', nullable: false}\n",
];

/// Metrics of every type, with each way that facts are added up.
const METRICS: [(&str, &str); 13] = [
    ("revenue", "type: mean\nfact: {table: orders, value: amount, aggregate: sum}"),
    ("items", "type: mean\nfact: {table: orders, value: items, aggregate: sum, where: \"kind = 'a'\"}"),
    ("weight", "type: mean\nfact: {table: orders, value: weight, aggregate: sum}"),
    ("orders", "type: count\nfact: {table: orders}"),
    ("bought", "type: proportion\nfact: {table: orders, where: \"amount > 10\"}"),
    ("basket", "type: ratio\nnumerator: revenue\ndenominator: orders"),
    ("paid", "type: mean\nmissing: exclude\nfact: {table: orders, value: amount, aggregate: sum}"),
    ("capped", "type: mean\ncap: {quantile: 0.9}\nfact: {table: orders, value: items * 2, aggregate: sum}"),
    (
        "late",
        "type: mean\ndelay: 12 hours\nwindow: 2 days\nfact: {table: orders, value: items, aggregate: sum}",
    ),
    ("median", "type: quantile\nquantile: 0.5\nfact: {table: orders, value: weight, aggregate: sum}"),
    ("order_size", "type: quantile\nquantile: 0.7\nover: events\nfact: {table: orders, value: amount}"),
    ("back", "type: retention\nwindow: {from: 1 day, to: 3 days}\nfact: {table: visits}"),
    (
        "checkout",
        "type: funnel\nwithin: 4 days\nsteps:\n  - {table: visits}\n  - {table: visits, where: \"page = 'cart'\"}\n  \
         - {table: orders}",
    ),
];

/// Metrics whose values before a unit's instant are covariates.
const COVARIATES: [&str; 3] = ["revenue", "weight", "orders"];

/// SplitMix64 (Steele, Lea & Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn pick<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[usize::try_from(self.below(texts.len() as u64)).unwrap()]
    }

    /// An instant within some days of September, by the hour.
    fn instant(&mut self, days: u64) -> Timestamp {
        let hours = i64::try_from(self.below(days * 24)).unwrap();
        "2026-09-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
    }
}

/// Tables of some files each, with units and metrics.
struct Shop {
    contracts: IndexMap<String, Contract>,
    metrics: Metrics,
    tables: Tables,
    session: Session,
    populations: [Population; 2],
}

impl Shop {
    async fn new(random: &mut Random) -> Self {
        let mut problems = Problems::default();
        let contract = |text: &&str| {
            let spec: ContractSpec =
                yaml::read(&SourceFile::new("schemas/table.yaml", text), &mut problems).unwrap();
            let contract = spec.validate(&mut |_, message| panic!("{message}")).unwrap();
            (contract.table.clone(), contract)
        };
        let contracts: IndexMap<String, Contract> = CONTRACTS.iter().map(contract).collect();
        let text = |(name, metric): (&str, &str)| {
            (format!("pipelines/shop/metrics/{name}.yaml"), format!("version: 1\nmetric: {name}\n{metric}\n"))
        };
        let pipeline = "version: 1\npipeline: shop\nsteps: []\n";
        let files = [
            ("tranche.yaml".to_owned(), "version: 1\nlake: ./lake\n".to_owned()),
            ("pipelines/shop/pipeline.yaml".to_owned(), pipeline.to_owned()),
        ];
        let project = Project::from_files(files.into_iter().chain(METRICS.map(text)));
        let metrics = Metrics::read(&project, "shop", &mut problems);
        assert!(problems.is_empty(), "{problems:?}");

        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: 2 };
        let engine = Engine::new(&options).unwrap();
        let lake = Lake::open(&Storage::new(BTreeMap::new()), "memory://facts/lake", Path::new("/")).unwrap();
        let as_of = "2026-09-11T00:00:00Z".parse::<Timestamp>().unwrap();
        let session = engine.session(as_of);
        for (table, contract) in &contracts {
            for file in 0..FILES {
                let rows = facts(contract, random);
                let plan = session.frame(rows.schema(), vec![rows]).unwrap().logical_plan().clone();
                let name = format!("{table}/{file}");
                let commit = Commit::new(&table_folder(table), &name, CommitMode::Append, plan);
                lake.commit(session.shared_state(), commit).await.unwrap();
            }
        }
        let tables = Tables::open(&lake, contracts.values()).await.unwrap();
        let populations = [population("everyone", 12, random), population("some", 7, random)];
        Self { contracts, metrics, tables, session, populations }
    }

    fn wanted(&self) -> Vec<Wanted<'_>> {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        let spans = [Span::After(Some(days(5))), Span::After(Some(days(3))), Span::Before(days(2))];
        let wanted = |population, span: Span| {
            let is_wanted = |metric: &&Metric| match span {
                Span::Before(_) => COVARIATES.contains(&metric.name.as_str()),
                _ => true,
            };
            Wanted { population, span, metrics: self.metrics.0.values().filter(is_wanted).collect() }
        };
        self.populations.iter().flat_map(|population| spans.map(|span| wanted(population, span))).collect()
    }

    fn facts(&self) -> Facts<'_> {
        let Self { metrics, contracts, tables, session, .. } = self;
        Facts { metrics, contracts, tables, session }
    }
}

/// Units with instants in the first week.
fn population(name: &str, units: u64, random: &mut Random) -> Population {
    let people: BTreeSet<u64> = (0..units).map(|unit| unit * 12 / units).collect();
    Population {
        name: name.to_owned(),
        entity: "person".to_owned(),
        keys: Arc::new(people.iter().map(|person| Some(format!("p{person}"))).collect::<StringArray>()),
        at: people.iter().map(|_| random.instant(7)).collect(),
        until: "2026-09-10T00:00:00Z".parse().unwrap(),
    }
}

/// Rows of a table, of units, of others and of nobody.
fn facts(contract: &Contract, random: &mut Random) -> RecordBatch {
    let rows = 20 + random.below(30);
    let mut value = |column: &str| match column {
        "buyer" | "visitor" => Some(random.below(15)).filter(|it| *it < 14).map(|it| format!("p{it}")),
        "kind" | "page" => {
            Some(random.pick(&["a", "b", "cart", ""])).filter(|it| !it.is_empty()).map(str::to_owned)
        }
        "amount" => Some(format!("{}.{:02}", random.below(30), random.below(100))),
        "items" => Some(random.below(5)).filter(|it| *it < 4).map(|it| it.to_string()),
        "weight" => Some(random.pick(&["0.1", "0.2", "1e9", "-1e9", "3.7"]).to_owned()),
        "at" => Some(random.instant(12).to_string()),
        _ => Some(random.below(u64::MAX).to_string()),
    };
    let schema = contract.arrow_schema();
    let column = |name: &String, value: &mut dyn FnMut(&str) -> Option<String>| -> ArrayRef {
        let texts: StringArray = (0..rows).map(|_| value(name)).collect();
        cast(&texts, schema.field_with_name(name).unwrap().data_type()).unwrap()
    };
    let columns = contract.columns.iter().map(|one| column(&one.name, &mut value)).collect();
    RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
}

/// Every way to divide the files among so many parts, in every order of the parts: a bit for each file.
fn divisions(parts: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..parts.pow(u32::try_from(FILES).unwrap())).map(move |mut number| {
        let mut divided = vec![0; parts];
        for file in 0..FILES {
            divided[number % parts] |= 1 << file;
            number /= parts;
        }
        divided
    })
}

/// A scan of a table, in parts.
struct Divided<'a> {
    table: FactTable<'a>,
    reader: FactReader<'a>,
    sources: TableSources,
    classes: [FileClass; FILES],
}

type Found = Scanned<PartialFacts>;

impl<'a> Divided<'a> {
    fn new(measurement: &'a Measurement<'a>, table: &str, classes: [FileClass; FILES]) -> Self {
        let Facts { session, tables, .. } = measurement.plan.facts;
        let sources = tables.sources(table).unwrap().unwrap();
        assert_eq!(sources.sources.len(), FILES);
        let reader = FactReader { keys: &measurement.keys, session };
        Self { table: measurement.table(table).unwrap(), reader, sources, classes }
    }

    /// What the files with a bit have.
    async fn scan(&self, files: usize, columns: &[OpenColumn]) -> Found {
        let classed = self.classes.iter().copied().zip(self.sources.sources.iter().cloned()).enumerate();
        let sources = classed.filter(|(file, _)| files & (1 << file) != 0).map(|(_, source)| source);
        let scan = FactScan {
            table: self.table,
            columns: columns.to_vec(),
            objects: Arc::clone(&self.sources.objects),
            sources: sources.collect(),
            share: Some(KeyShare::of(0.5)),
        };
        scan.run(self.reader).await.unwrap()
    }

    /// What each combination of files has.
    async fn all(&self, columns: &[OpenColumn]) -> Vec<Found> {
        let mut found = Vec::new();
        for files in 0..1 << FILES {
            found.push(self.scan(files, columns).await);
        }
        found
    }

    /// Holds what was found in parts against what was found in all files.
    fn check(&self, parts: &str, found: Found, whole: &Found) -> HashMap<ColumnId, Column> {
        assert_eq!((found.rows_read, found.bytes_read), (whole.rows_read, whole.bytes_read), "{parts}");
        let (found, captured) = found.partial.finish().unwrap();
        let (whole, expected) = whole.partial.clone().finish().unwrap();
        assert_eq!(captured, expected, "{parts}");
        assert_eq!(found.len(), whole.len());
        for (id, column) in &found {
            let units: Vec<UnitIndex> = UnitIndex::all(self.table.population(*id).at.len()).collect();
            let (column, expected) = (column.picked(&units), whole[id].picked(&units));
            let different = column.first_difference(&expected);
            assert_eq!(different, None, "{parts}: {:?}\n{column:?}\n{expected:?}", self.table.columns[*id]);
        }
        found
    }
}

fn merged(parts: impl IntoIterator<Item = Found>) -> Found {
    let mut parts = parts.into_iter();
    let mut merged = parts.next().unwrap();
    parts.for_each(|part| merged.merge(part).unwrap());
    merged
}

#[tokio::test]
async fn facts_of_divided_files_merge_to_those_of_all() {
    for seed in 0..SEEDS {
        let shop = Shop::new(&mut Random(seed)).await;
        let (wanted, facts) = (shop.wanted(), shop.facts());
        let mut measurement = Measurement::new(&wanted, facts).unwrap();
        let mut columns = HashMap::new();
        for table in measurement.tables() {
            let divided = Divided::new(&measurement, &table, [FileClass::Added; FILES]);
            let parts = divided.all(&divided.table.empty_columns().unwrap()).await;
            let whole = &parts[(1 << FILES) - 1];
            let CapturedFacts(captured) = &whole.partial.captured;
            assert!(captured.as_ref().unwrap().iter().map(|(_, rows)| rows.num_rows()).sum::<usize>() > 0);
            for division in (2..=4).flat_map(divisions) {
                let found = merged(division.iter().map(|&files| parts[files].clone()));
                columns.extend(divided.check(&format!("{table} {division:?}"), found, whole));
            }
        }
        measurement.columns = columns.into_iter().map(|(id, column)| (id, Arc::new(column))).collect();
        let expected = unit_values(&wanted, &facts).await.unwrap().0;
        for (found, expected) in measurement.into_values().iter().zip(&expected) {
            assert_eq!(found.0.len(), expected.0.len());
            found.0.iter().for_each(|(metric, found)| check_values(metric, found, &expected.0[metric]));
        }
    }
}

fn check_values(metric: &str, found: &MetricValues, expected: &MetricValues) {
    let is_close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0);
    assert!(found.values.iter().zip(&expected.values).all(is_close), "{metric}: {found:?}, not {expected:?}");
    let exactly = |values: &MetricValues| {
        (values.counted.clone(), values.missing, values.open, values.events.clone(), values.reached.clone())
    };
    assert_eq!(exactly(found), exactly(expected), "{metric}");
    let has_values = found.values.iter().any(|value| *value != 0.0);
    let has_events =
        found.events.as_ref().is_some_and(|events| (0..7).any(|unit| !events.of_unit(unit).is_empty()));
    let has_steps = found.reached.as_ref().is_some_and(|reached| reached.iter().any(|steps| *steps > 0));
    assert!(has_values || has_events || has_steps, "{metric}: nothing was counted");
}

/// Some columns continue from values of before, which one of the parts begins with; files were kept, added and
/// removed since.
#[tokio::test]
async fn facts_of_divided_files_continue_from_saved_columns() {
    for seed in 0..SEEDS {
        let random = &mut Random(seed);
        let shop = Shop::new(random).await;
        let measurement = Measurement::new(&shop.wanted(), shop.facts()).unwrap();
        for table in measurement.tables() {
            let mut classes = [FileClass::Added, FileClass::Kept, FileClass::Removed, FileClass::Kept];
            classes.rotate_left(usize::try_from(seed).unwrap() % FILES);
            let divided = Divided::new(&measurement, &table, classes);
            let (saved, empty) = continued(&divided.table, random);
            let (begun, rest) = (divided.all(&saved).await, divided.all(&empty).await);
            for division in (2..=4).flat_map(divisions) {
                let first = usize::try_from(random.below(division.len() as u64)).unwrap();
                let part = |(place, &files): (usize, &usize)| match place == first {
                    true => begun[files].clone(),
                    false => rest[files].clone(),
                };
                let found = merged(division.iter().enumerate().map(part));
                divided.check(&format!("{table} {division:?}"), found, &begun[(1 << FILES) - 1]);
            }
        }
    }
}

/// Columns of which every other one continues from values of before, for some units; and the same without
/// these values.
fn continued(table: &FactTable<'_>, random: &mut Random) -> (Vec<OpenColumn>, Vec<OpenColumn>) {
    let before = random.instant(9).as_microsecond();
    let mut coverage: HashMap<PopulationId, Arc<Coverage>> = HashMap::new();
    let empty = table.empty_columns().unwrap().into_iter().enumerate().map(|(place, open)| {
        let covered = coverage.entry(table.columns[open.id].population).or_insert_with(|| {
            let units = table.population(open.id).at.len();
            let units = BooleanBuffer::collect_bool(units, |_| random.below(2) == 0);
            Arc::new(Coverage { units, before })
        });
        OpenColumn { coverage: (place % 2 == 0).then(|| Arc::clone(covered)), ..open }
    });
    let empty: Vec<OpenColumn> = empty.collect();
    let saved = empty.iter().cloned().map(|open| {
        let column = match (open.coverage.is_some(), open.column) {
            (true, Column::Counts(counts)) => Column::Counts(vec![3; counts.len()]),
            (true, Column::Digits(sums, scale)) => Column::Digits(vec![-25; sums.len()], scale),
            (true, Column::Floats(sums)) => {
                Column::Floats(vec![ExactSum::from_parts([1e9, 0.25e-8, 0.0]); sums.len()])
            }
            (true, Column::Values(_)) => Column::Values(vec![(UnitIndex(0), 4.5), (UnitIndex(2), -1.0)]),
            (_, other) => other,
        };
        OpenColumn { column, ..open }
    });
    (saved.collect(), empty)
}
