//! Who checks definitions is told what a Parquet file of the project will make of them; runs are not, before they load it.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use datafusion::parquet::arrow::ArrowWriter;
use tranche_workspace::queries::{definitions, examination};
use tranche_workspace::{Place, Tranche};

const PEOPLE: &str = "version: 1\ntable: people\nkind: entity\nentity: person\nkey: [person_id]\ncolumns:\n  \
     - {name: person_id, type: utf8, nullable: false}\n  - {name: since, type: date32}\n";

/// What `check` says of a source whose column `since` is made so, in a project with a file.
async fn checked(path: &str, since: &str) -> (Result<(), String>, Result<(), String>) {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let file =
        if path.starts_with("data/") { folder.path() } else { outside.path() }.join("data/people.parquet");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let columns: [(&str, ArrayRef); 2] = [
        ("person_id", Arc::new(StringArray::from(vec!["p1"]))),
        ("active", Arc::new(BooleanArray::from(vec![true]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let path = path.replace("OUTSIDE", outside.path().to_str().unwrap());
    for (file, text) in [
        ("tranche.yaml", "version: 1\nlake: lake\n".to_owned()),
        ("schemas/people.yaml", PEOPLE.to_owned()),
        (
            "pipelines/shop/pipeline.yaml",
            "version: 1\npipeline: shop\nsteps: [{id: load, ingest: all}]\n".to_owned(),
        ),
        (
            "pipelines/shop/sources/people.yaml",
            format!(
                "version: 1\nsource: people\ninto: people\nformat: parquet\npath: {path}\ncolumns:\n  since: \"{since}\"\n"
            ),
        ),
    ] {
        let file = folder.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let tranche = Tranche::open(&Place { folder: folder.path().to_owned(), lake: None }).unwrap();
    let by_author = definitions::check(&tranche).await.map(|_| ()).map_err(|failure| format!("{failure:?}"));
    let by_run = tranche.check().await.map_err(|failure| format!("{failure:?}"));
    let lines = examination::examine(&tranche, false, &|_| {}).await.unwrap();
    let project = lines.iter().any(|line| format!("{line:?}").contains("people.yaml:7:"));
    assert_eq!(project, by_author.is_err(), "{lines:?}");
    (by_author, by_run)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_project_tells_what_its_columns_are() {
    let (by_author, by_run) = checked("data/*.parquet", "CAST(active AS DATE)").await;
    let refused = by_author.unwrap_err();
    assert!(refused.contains("in `data/people.parquet`") && by_run.is_ok(), "{refused} {by_run:?}");
    let (by_author, _) = checked("data/*.parquet", "since").await;
    let refused = by_author.unwrap_err();
    assert!(refused.contains("no column `since` (the file has person_id, active)"), "{refused}");
    assert_eq!(
        checked("data/*.parquet", "CASE WHEN NOT active THEN DATE '2026-01-01' END").await,
        (Ok(()), Ok(()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_elsewhere_is_not_looked_at() {
    for path in ["OUTSIDE/data/*.parquet", "file://OUTSIDE/data/*.parquet"] {
        assert_eq!(checked(path, "since").await, (Ok(()), Ok(())), "{path}");
    }
}
