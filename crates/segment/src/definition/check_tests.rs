//! What `check` reports of definitions that cannot be planned.

use indexmap::IndexMap;
use jiff::Timestamp;
use tranche_project::{Project, yaml};
use tranche_schema::ContractSpec;
use tranche_sql::{Engine, EngineOptions};

use super::*;

const CUSTOMERS: &str = "version: 1
table: customers
kind: entity
entity: customer
key: [customer_id]
columns: [{name: customer_id, type: utf8, nullable: false}, {name: country, type: utf8}]
";

/// Checks files of traits and segments, by folder and name; the problems as `file:line:column message`.
async fn check(files: &[(&str, &str)], expected: &[&str]) {
    let mut problems = Problems::default();
    let file = SourceFile::new("schemas/customers.yaml", CUSTOMERS);
    let spec: ContractSpec = yaml::read(&file, &mut problems).unwrap();
    let contract = spec.validate(&mut |_, message| panic!("{message}")).unwrap();
    let engine =
        Engine::new(&EngineOptions { memory_bytes: 1 << 26, spill_folder: None, threads: 1 }).unwrap();
    let session = engine.session(Timestamp::UNIX_EPOCH);
    session.register_empty(&contract.table, contract.arrow_schema()).unwrap();
    let contracts = IndexMap::from([(contract.table.clone(), contract)]);
    let project = Project::from_files(files.iter().map(|(path, sql)| {
        let (kind, name) = path.split_once('/').unwrap();
        let kind = if kind == "segments" { "segment" } else { "traits" };
        let text = format!("/*---\nentity: customer\n{kind}: {name}\n---*/\n{sql}\n");
        (format!("pipelines/shop/{path}.sql"), text)
    }));
    let definitions = Definitions::read(&project, "shop", &contracts, &mut problems);
    super::check(&definitions, &session, &mut problems).await.unwrap();
    let found: Vec<String> = problems
        .into_sorted()
        .iter()
        .map(|p| {
            let file = p.file.trim_start_matches("pipelines/shop/").trim_end_matches(".sql");
            format!("{file}:{}:{} {}", p.line, p.column, p.message)
        })
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_segment_without_a_column_of_broken_traits_is_not_the_mistake() {
    check(
        &[
            ("traits/wealth", "SELECT customer_id, incme * 2 AS wealth FROM customers"),
            ("segments/rich", "SELECT customer_id FROM traits WHERE wealth > 10"),
            ("segments/rich_too", "SELECT t.customer_id FROM traits t WHERE t.wealth > 10"),
            ("segments/local", "SELECT customer_id FROM traits WHERE contry = 'DE'"),
        ],
        &["segments/local:5:38 there is no column `contry`", "traits/wealth:5:21 there is no column `incme`"],
    )
    .await;
}

#[tokio::test]
async fn in_segment_and_traits_are_for_segments() {
    check(
        &[
            ("traits/loyal", "SELECT customer_id, in_segment('vip') AS loyal FROM customers"),
            ("traits/again", "SELECT customer_id, country AS again FROM traits"),
            ("segments/vip", "SELECT customer_id FROM traits WHERE country = 'DE'"),
            ("segments/both", "SELECT customer_id FROM traits WHERE in_segment('vip', kunde)"),
        ],
        &[
            "segments/both:5:56 there is no column `kunde`",
            "traits/again:5:43 there is no table `traits` here: it is made of all traits, and only segments can query it",
            "traits/loyal:5:21 in_segment has no meaning here: segments are made from traits",
        ],
    )
    .await;
}
