//! A contract that cannot be read is the mistake, not what refers to its table.

use std::path::PathBuf;

use tranche_project::Project;
use tranche_workspace::{Place, Tranche, actions};

/// The places and messages of the problems of these files, besides `tranche.yaml`.
async fn problems_of(files: &[(&str, &str)]) -> Vec<String> {
    let settings = [("tranche.yaml", "version: 1\nlake: memory://lake/check\n")];
    let place = Place { folder: PathBuf::from("."), lake: None };
    let project = Project::from_files(settings.into_iter().chain(files.iter().copied()));
    let tranche = Tranche::with_project(&place, project, actions::standard()).unwrap();
    let Err(failure) = tranche.check().await else { return Vec::new() };
    failure.diagnostics.iter().map(|problem| format!("{}: {}", problem.file, problem.message)).collect()
}

const UNREADABLE: (&str, &str) = ("schemas/orders.yaml", "version: 1\ntable: orders\nkind: nothing\n");
const PEOPLE: (&str, &str) = (
    "schemas/people.yaml",
    "version: 1\ntable: people\nkind: entity\nentity: person\nkey: [person_id]\ncolumns:\n  \
     - {name: person_id, type: utf8, nullable: false}\n",
);
const BUYERS: (&str, &str) = (
    "pipelines/shop/segments/buyers.sql",
    "/*---\nsegment: buyers\nentity: person\n---*/\nSELECT person_id FROM orders\n",
);
const SOURCE: (&str, &str) = (
    "pipelines/shop/sources/orders.yaml",
    "version: 1\nsource: orders\ninto: orders\nformat: csv\npath: data/orders.csv\n",
);
const METRIC: (&str, &str) = (
    "pipelines/shop/metrics/orders.yaml",
    "version: 1\nmetric: orders\ntype: count\nfact: {table: orders}\ndirection: increase\n",
);
const PIPELINE: (&str, &str) =
    ("pipelines/shop/pipeline.yaml", "version: 1\npipeline: shop\nsteps:\n  - {id: load, ingest: all}\n");

#[tokio::test]
async fn what_refers_to_an_unreadable_contract_is_not_reported() {
    let problems = problems_of(&[UNREADABLE, PEOPLE, BUYERS, SOURCE, METRIC, PIPELINE]).await;
    assert!(!problems.is_empty());
    for problem in &problems {
        assert!(problem.starts_with("schemas/orders.yaml: "), "{problems:#?}");
    }
}

#[tokio::test]
async fn what_refers_to_no_contract_is_reported() {
    let problems = problems_of(&[PEOPLE, BUYERS, SOURCE, METRIC, PIPELINE]).await;
    let files: Vec<&str> = problems.iter().filter_map(|problem| problem.split(':').next()).collect();
    assert_eq!(
        files,
        [
            "pipelines/shop/metrics/orders.yaml",
            "pipelines/shop/segments/buyers.sql",
            "pipelines/shop/sources/orders.yaml"
        ],
        "{problems:#?}"
    );
}

/// A problem that merely mentions the table has its own cause.
#[tokio::test]
async fn a_problem_that_mentions_the_table_is_reported() {
    let orders = |table: &str| {
        format!(
            "version: 1\ntable: {table}\nkind: event\nentity: {{person: person_id}}\nkey: [order_id]\n\
             event_time: at\ncolumns:\n  - {{name: order_id, type: utf8, nullable: false}}\n  \
             - {{name: person_id, type: utf8, nullable: false}}\n  \
             - {{name: at, type: 'timestamp(us, UTC)', nullable: false}}\n"
        )
    };
    let (first, second) = (orders("orders"), orders("orders"));
    let problems =
        problems_of(&[UNREADABLE, PEOPLE, ("schemas/a.yaml", &first), ("schemas/b.yaml", &second)]).await;
    let twice = "schemas/b.yaml: table `orders` is already defined in schemas/a.yaml";
    assert!(problems.iter().any(|problem| problem == twice), "{problems:#?}");
}
