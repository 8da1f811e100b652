//! Saved state is not trusted: when it does not lead to what all facts say, nothing comes of it.

use jiff::Timestamp;
use serde_json::Value;
use tranche_incremental::StateStore;
use tranche_metric::FactsRead;
use tranche_schema::layout::state::{Kind, State};
use tranche_sql::keys::Sample;
use tranche_store::CommitMode;
use tranche_store::object_store::path::Path;
use tranche_store::objects::{read_document, write_document};

use super::definitions::SCHEMAS;
use super::history::STEP;
use super::lake::{PIPELINE, Place, Row};
use crate::error::ExperimentError;
use crate::units::collect::collect;
use crate::units::status::EarlierLooks;

const EXPERIMENT: &str = "version: 1\nexperiment: winback\nentity: person\nexposure: {table: sends, variant: arm}\n\
    variants: {a: 0.5, b: 0.5}\ncontrol: a\nperiod: {from: 2026-09-01, to: 2026-10-01}\nmetrics: {goal: [orders]}\n";

fn row<const N: usize>(values: [&str; N]) -> Row {
    values.map(|value| Some(value.to_owned())).into()
}

fn order(id: &str, buyer: &str, at: &str) -> Row {
    row([id, buyer, "a", "10.00", "1", "0.5", at])
}

async fn measured(place: &Place, as_of: &str) -> Result<Vec<FactsRead>, ExperimentError> {
    let files = [
        ("tranche.yaml".to_owned(), "version: 1\nlake: ./lake\n".to_owned()),
        (
            format!("pipelines/{PIPELINE}/pipeline.yaml"),
            format!("version: 1\npipeline: {PIPELINE}\nsteps: []\n"),
        ),
        (format!("pipelines/{PIPELINE}/experiments/winback.yaml"), EXPERIMENT.to_owned()),
        (
            format!("pipelines/{PIPELINE}/metrics/orders.yaml"),
            "version: 1\nmetric: orders\ntype: count\nfact: {table: orders}\n".to_owned(),
        ),
    ];
    let world = place.world(files.into(), as_of.parse::<Timestamp>().unwrap()).await;
    let sample = Sample::default();
    let state = StateStore { lake: &place.lake, pipeline: PIPELINE, owner: STEP, full: false, sample };
    let collected =
        collect(&[&world.experiments["winback"]], &EarlierLooks::new(), &place.context(&world, Some(state)))
            .await?;
    Ok(collected.facts)
}

/// Two people in two arms, and an order of the second.
async fn place() -> Place {
    let place = Place::new(&SCHEMAS, 2);
    let people = ["p1", "p2"].map(|name| row([name, "free", "h1"]));
    place.commit("people", &people, "people", CommitMode::Append).await;
    let sends = [("s1", "p1", "a"), ("s2", "p2", "b")];
    let sends =
        sends.map(|(id, who, arm)| row([id, who, arm, "x", "2026-09-02T10:00:00Z", "2026-09-02T10:00:00Z"]));
    place.commit("sends", &sends, "sends", CommitMode::Append).await;
    place.commit("orders", &[order("1", "p2", "2026-09-03T10:00:00Z")], "orders/1", CommitMode::Append).await;
    place
}

/// Changes the manifest of the state that is saved of orders.
async fn tamper(place: &Place, change: impl FnOnce(&mut Value)) {
    let objects = place.lake.objects();
    let state = State { kind: Kind::Experiments, pipeline: PIPELINE, owner: STEP, table: "orders" };
    let path = Path::from(format!("{}/manifest.json", state.folder()));
    let text = read_document(&*objects, &path).await.unwrap().unwrap();
    let mut manifest: Value = serde_json::from_slice(&text).unwrap();
    change(&mut manifest);
    write_document(&*objects, &path, &manifest.to_string()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_names_the_unit_and_nothing_comes_of_it() {
    let place = place().await;
    let first = measured(&place, "2026-09-04T00:00:00Z").await.unwrap();
    assert!(first.iter().all(|read| !read.incremental && read.rows_read == 1), "{:?}", first);
    // A late order arrives, and the saved state says that it was counted.
    place.commit("orders", &[order("2", "p2", "2026-09-03T11:00:00Z")], "orders/2", CommitMode::Append).await;
    let snapshot = place.lake.snapshot("tables/orders").await.unwrap().unwrap();
    let files = serde_json::to_value(snapshot.files().unwrap()).unwrap();
    tamper(&place, |manifest| manifest["files"] = files).await;
    let error = measured(&place, "2026-09-05T00:00:00Z").await.unwrap_err();
    let message = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    let expected = "experiment `winback`: Count of events from 0s to";
    assert!(message.starts_with(expected), "{message}");
    let expected =
        "in `orders` for `p2` of `winback` is 1 by saved state, and 2 by all events; nothing was published";
    assert!(message.contains(expected), "{message}");
    // The state is deleted: the next measurement reads everything, and the one after it nothing.
    let again = measured(&place, "2026-09-05T00:00:00Z").await.unwrap();
    assert!(again.iter().all(|read| !read.incremental && read.rows_read == 2), "{:?}", again);
    let after = measured(&place, "2026-09-06T00:00:00Z").await.unwrap();
    assert!(after.iter().all(|read| read.incremental && read.rows_read == 0), "{:?}", after);
}

#[tokio::test(flavor = "multi_thread")]
async fn state_of_another_version_of_the_engine_is_not_continued() {
    let place = place().await;
    measured(&place, "2026-09-04T00:00:00Z").await.unwrap();
    tamper(&place, |manifest| manifest["engine"] = "1.2.3".into()).await;
    let upgraded = measured(&place, "2026-09-05T00:00:00Z").await.unwrap();
    for read in &upgraded {
        let reasons: Vec<&str> = read.full_because.iter().map(String::as_str).collect();
        assert!(!read.incremental && read.rows_read == 1, "{read:?}");
        assert!(
            reasons[0].starts_with("the state was saved by version 1.2.3 of the query engine"),
            "{read:?}"
        );
    }
    let after = measured(&place, "2026-09-06T00:00:00Z").await.unwrap();
    assert!(after.iter().all(|read| read.incremental && read.rows_read == 0), "{:?}", after);
}
