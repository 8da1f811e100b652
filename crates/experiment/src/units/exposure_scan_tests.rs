//! The exposures of a table's sources, divided in every way: what parts see and merge is what one scan sees.

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::logical_expr::lit;
use datafusion::prelude::ident;
use jiff::{SignedDuration, Timestamp};
use object_store::memory::InMemory;
use tranche_project::{Problems, SourceFile, yaml};
use tranche_schema::ContractSpec;
use tranche_sql::scan::{Partial, Source};
use tranche_sql::{Engine, EngineOptions};
use tranche_stats::Generator;

use super::*;
use crate::units::exposed::Exposed;
use crate::units::first::UnitOrigin;

const SOURCES: usize = 4;
const SEEDS: u64 = 12;

const SENDS: &str = "version: 1\ntable: sends\nkind: event\nentity: {person: who}\nkey: [send]\nevent_time: sent_at\n\
    columns:\n- {name: send, type: utf8, nullable: false}\n- {name: who, type: utf8}\n- {name: arm, type: utf8}\n\
    - {name: house, type: utf8}\n- {name: seen_at, type: 'timestamp(us, UTC)'}\n\
    - {name: sent_at, type: 'timestamp(us, UTC)', nullable: false}\n";

fn contract() -> Contract {
    let mut problems = Problems::default();
    let spec: ContractSpec =
        yaml::read(&SourceFile::new("schemas/sends.yaml", SENDS), &mut problems).unwrap();
    spec.validate(&mut |_, message| panic!("{message}")).unwrap()
}

fn hour(hour: u32) -> Timestamp {
    "2026-09-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hour.into())
}

/// Few people, houses and hours, so that they meet: most people see one arm.
fn sends(random: &mut Generator) -> Source {
    let rows = 2 + random.below(6);
    let mut columns: [Vec<Option<String>>; 6] = Default::default();
    for row in 0..rows {
        let person = random.below(12);
        let arm = if random.below(12) == 0 { random.below(4) } else { person % 2 };
        let house = if random.below(4) == 0 { random.below(7) } else { person / 2 };
        let hours = [random.below(4), random.below(5)].map(|number| hour(u32::try_from(number).unwrap()));
        let values = [
            Some(row.to_string()),
            Some(person).filter(|person| *person < 11).map(|person| format!("p{person}")),
            [Some("a"), Some("b"), Some("z"), None][arm].map(str::to_owned),
            Some(house).filter(|house| *house < 6).map(|house| format!("h{house}")),
            Some(hours[0].to_string()).filter(|_| random.below(10) > 0),
            Some(hours[1].to_string()),
        ];
        columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
    }
    let schema = contract().arrow_schema();
    let column = |(place, texts): (usize, Vec<Option<String>>)| -> ArrayRef {
        cast(&StringArray::from(texts), schema.field(place).data_type()).unwrap()
    };
    let columns = columns.into_iter().enumerate().map(column).collect();
    Source::rows(RecordBatch::try_new(Arc::clone(&schema), columns).unwrap())
}

/// The people of the entity table; there are exposures of others, too.
fn universe() -> Arc<KeyIndex> {
    let mut index = KeyIndex::new(&DataType::Utf8);
    let people: ArrayRef =
        Arc::new((0..9).rev().map(|person| Some(format!("p{person}"))).collect::<StringArray>());
    index.insert(&people).unwrap();
    Arc::new(index)
}

/// Experiments by the event time, by another instant with clusters of the exposures, and with clusters of the
/// entities.
fn queries() -> Vec<ExposureQuery> {
    let micros = |number: u32| hour(number).as_microsecond();
    let query = ExposureQuery {
        rows: RowQuery { predicate: vec![ident("send").not_eq(lit("1"))], value: None },
        entity: "person".to_owned(),
        key: "who".to_owned(),
        variant: "arm".to_owned(),
        at: "sent_at".to_owned(),
        cluster: None,
        variants: vec!["a".to_owned(), "b".to_owned()],
        period: micros(1)..micros(9),
    };
    let everything = RowQuery::default();
    let by_house =
        ExposureQuery { cluster: Some("house".to_owned()), at: "seen_at".to_owned(), ..query.clone() };
    let whole = micros(0)..micros(9);
    vec![
        query.clone(),
        ExposureQuery { rows: everything.clone(), period: whole.clone(), ..by_house },
        ExposureQuery { rows: everything, period: whole, ..query },
    ]
}

async fn scan(sources: Vec<Source>) -> Scanned<PartialExposures> {
    let options = EngineOptions { memory_bytes: 1 << 27, spill_folder: None, threads: 2 };
    let engine = Engine::new(&options).unwrap();
    let sources = TableSources { objects: Arc::new(InMemory::new()), version: 0, sources };
    let scan = ExposureScan { contract: &contract(), sources, queries: queries() };
    let universes = [("person".to_owned(), universe())].into();
    scan.run(&universes, &engine.session(hour(4))).await.unwrap()
}

/// The units of each experiment as text, whatever their clusters are numbered, and what is left out.
fn units(found: Scanned<PartialExposures>) -> (Vec<String>, LeftOut) {
    let Scanned { partial: PartialExposures(firsts), rows_read, .. } = found;
    let universe = universe();
    let of_entity = |number: u32| Some(number / 3).filter(|cluster| *cluster > 0);
    let of_entities: Vec<Option<u32>> = (0..universe.len()).map(of_entity).collect();
    let origins = [(None, false), (None, true), (Some(of_entities), true)];
    let origins = origins.map(|(entity_clusters, has_clusters)| UnitOrigin {
        universe: Arc::clone(&universe),
        entity_clusters,
        has_clusters,
    });
    let mut left_out = LeftOut::default();
    let exposed = firsts.into_iter().zip(origins).map(|(firsts, origin)| {
        let exposed: Exposed = firsts.into_units(origin, rows_read).unwrap();
        let all: Vec<usize> = (0..exposed.at.len()).collect();
        let clusters = exposed.clusters.as_ref().map(|clusters| clusters.places(&all));
        let Exposed { several_variants, cluster_losses, unmatched, unknown_variants, .. } = &exposed;
        let unknown = unknown_variants.values().sum();
        let counts = [*several_variants, cluster_losses.mixed, cluster_losses.without, *unmatched, unknown];
        left_out.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        format!("{:?} in {clusters:?}", Exposed { clusters: None, ..exposed })
    });
    (exposed.collect(), left_out)
}

/// Units of several variants, mixed clusters, units without one, strangers, and exposures to unknown variants.
type LeftOut = [u64; 5];

/// Every way to divide the sources among so many parts, in every order of the parts: a bit for each source.
fn divisions(parts: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..parts.pow(u32::try_from(SOURCES).unwrap())).map(move |mut number| {
        let mut divided = vec![0; parts];
        for source in 0..SOURCES {
            divided[number % parts] |= 1 << source;
            number /= parts;
        }
        divided
    })
}

#[tokio::test]
async fn exposures_of_divided_sources_merge_to_those_of_all() {
    let mut left_out = LeftOut::default();
    for seed in 0..SEEDS {
        let mut random = Generator::seeded(seed);
        let sources: [Source; SOURCES] = std::array::from_fn(|_| sends(&mut random));
        let mut parts = Vec::new();
        for part in 0..1 << SOURCES {
            let own = sources.iter().enumerate().filter(|(place, _)| part & (1 << place) != 0);
            parts.push(scan(own.map(|(_, source)| source.clone()).collect()).await);
        }
        let expected = units(parts[(1 << SOURCES) - 1].clone());
        for division in (2..=4).flat_map(divisions) {
            let mut own = division.iter().map(|&part| parts[part].clone());
            let mut merged = own.next().unwrap();
            own.for_each(|part| merged.merge(part).unwrap());
            assert_eq!(units(merged), expected, "seed {seed}: {division:?}");
        }
        left_out.iter_mut().zip(expected.1).for_each(|(sum, count)| *sum += count);
    }
    assert!(left_out.iter().all(|count| *count > 0), "what never happened: {left_out:?}");
}
