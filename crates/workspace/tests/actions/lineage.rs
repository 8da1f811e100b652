//! The lineage of each step is what it reads and writes: as declared, and as the storage sees it.

use std::collections::BTreeSet;

use tranche_faults::Accesses;
use tranche_pipeline::{Progress, StepContext, StepRunner};
use tranche_store::object_store::path::Path;
use tranche_workspace::actions;

use crate::project::Fixture;
use crate::shop::PIPELINE;

/// The data files of tables: neither logs, nor saved state, nor objects of the platform.
fn data_files(paths: &BTreeSet<Path>) -> Vec<&str> {
    let is_other = |path: &str| ["/_delta_log/", "/_state/", "/_sys/"].iter().any(|part| path.contains(part));
    paths.iter().map(Path::as_ref).filter(|path| path.ends_with(".parquet") && !is_other(path)).collect()
}

#[tokio::test]
async fn measuring_and_reporting_declare_all_that_they_read() {
    let fixture = Fixture::new(PIPELINE, actions::standard());
    fixture.tranche.check().await.unwrap();
    let pipeline = fixture.tranche.definitions.pipeline("shop").unwrap().pipeline.clone().unwrap();
    let datasets = fixture.tranche.datasets(&pipeline).await.unwrap();
    let check = |step: &str, inputs: &[&str], outputs: &[&str]| {
        let declared = &datasets[step];
        let sorted = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let found = |all: &[tranche_observe::Dataset]| all.iter().map(|one| one.name().to_owned()).collect();
        let (read, written): (BTreeSet<String>, BTreeSet<String>) =
            (found(&declared.inputs), found(&declared.outputs));
        assert_eq!((read, written), (sorted(inputs), sorted(outputs)), "{step}");
    };
    // A metric's facts, what the segment is replayed from (not its memberships), the entity's table and the exposures.
    check(
        "tests",
        &["tables/exposures", "tables/logins", "tables/people", "tables/purchases"],
        &["estimates", "estimate_series"],
    );
    check(
        "pages",
        &[
            "estimate_series",
            "estimates",
            "loads",
            "quarantine/exposures",
            "quarantine/logins",
            "quarantine/people",
            "quarantine/purchases",
            "segment_history",
            "tables/logins",
            "tables/people",
            "tables/purchases",
        ],
        &["kpis"],
    );
    check("care", &[], &[]);
}

#[tokio::test]
async fn a_step_reads_and_writes_nothing_that_it_does_not_declare() {
    let fixture = Fixture::new(PIPELINE, actions::standard());
    let tranche = &fixture.tranche;
    let pipeline = tranche.definitions.pipeline("shop").unwrap().pipeline.clone().unwrap();
    let datasets = tranche.datasets(&pipeline).await.unwrap();
    let runner = tranche.runner().unwrap();
    let mut read_at_all = BTreeSet::new();
    for step in pipeline.steps.iter().filter(|step| step.action != "maintain") {
        let _ = fixture.storage.take_accesses();
        let context = StepContext {
            run_id: "r1".to_owned(),
            pipeline: "shop".to_owned(),
            slot: None,
            as_of: fixture.as_of(),
            full: false,
            transaction: format!("shop/{}/r1", step.id),
            progress: Progress::default(),
        };
        runner.run(step, &context).await.unwrap();
        let Accesses { read, written } = fixture.storage.take_accesses();
        let (read, written) = (data_files(&read), data_files(&written));
        let declared = &datasets[&step.id];
        let outputs: Vec<String> = declared.outputs.iter().map(|dataset| dataset.name().to_owned()).collect();
        let inputs: Vec<String> = declared.inputs.iter().map(|dataset| dataset.name().to_owned()).collect();
        let is_of = |path: &str, folders: &[String]| {
            folders.iter().any(|folder| path.starts_with(&format!("shop/{folder}/")))
        };
        for path in written {
            assert!(is_of(path, &outputs), "{}: {path} is written", step.id);
        }
        // A step may read its own earlier results.
        for path in &read {
            assert!(is_of(path, &inputs) || is_of(path, &outputs), "{}: {path} is read", step.id);
        }
        read_at_all.extend(
            inputs
                .into_iter()
                .filter(|input| read.iter().any(|path| path.starts_with(&format!("shop/{input}/")))),
        );
    }
    // The storage does see what is read.
    let expected = ["tables/exposures", "tables/logins", "tables/people", "tables/purchases", "loads"];
    for folder in expected {
        assert!(read_at_all.contains(folder), "{folder} was not read: {read_at_all:?}");
    }
}
