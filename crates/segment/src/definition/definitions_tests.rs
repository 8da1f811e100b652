//! What front matters make of segments: their order, their groups, their known answers.

use super::*;

const CUSTOMERS: &str = "version: 1
table: customers
kind: entity
entity: customer
key: [customer_id]
columns: [{name: customer_id, type: utf8, nullable: false}]
";

/// Segments in the order in which they are computed, each with what it needs.
type InOrder<'a> = &'a [(&'a str, &'a [&'a str])];

/// Line, column and a part of each problem.
type Mistakes<'a> = &'a [(u64, u64, &'a str)];

/// Reads segments with these front matters, one a file.
fn check(front_matters: &[&str], expected: Result<InOrder<'_>, Mistakes<'_>>) {
    let mut problems = Problems::default();
    let file = SourceFile::new("schemas/customers.yaml", CUSTOMERS);
    let spec: tranche_schema::ContractSpec = tranche_project::yaml::read(&file, &mut problems).unwrap();
    let contract = spec.validate(&mut |_, message| panic!("{message}")).unwrap();
    let contracts = IndexMap::from([(contract.table.clone(), contract)]);
    let files = front_matters.iter().enumerate().map(|(number, front_matter)| {
        let text =
            format!("/*---\nentity: customer\n{front_matter}\n---*/\nSELECT customer_id FROM traits\n");
        (format!("pipelines/shop/segments/{number}.sql"), text)
    });
    let definitions = Definitions::read(&Project::from_files(files), "shop", &contracts, &mut problems);
    match expected {
        Ok(expected) => {
            assert!(problems.is_empty(), "{problems:?}");
            let found = definitions
                .segments
                .values()
                .map(|s| (s.name.as_str(), s.needs.iter().map(String::as_str).collect()));
            let found: Vec<(&str, Vec<&str>)> = found.collect();
            assert_eq!(
                found,
                expected.iter().map(|(name, needs)| (*name, needs.to_vec())).collect::<Vec<_>>()
            );
        }
        Err(expected) => {
            let found = problems.into_sorted();
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (problem, (line, column, part)) in found.iter().zip(expected) {
                assert_eq!((problem.line, problem.column), (*line, *column), "{problem}");
                assert!(problem.message.contains(part), "{problem}");
            }
        }
    }
}

#[test]
fn a_group_is_computed_in_the_order_of_its_priorities() {
    check(
        &[
            "segment: bronze\ngroup: tier\npriority: 10",
            "segment: silver\ngroup: tier\npriority: 2",
            "segment: gold\ngroup: tier\npriority: 1",
        ],
        Ok(&[("gold", &[]), ("silver", &["gold"]), ("bronze", &["silver"])]),
    );
    check(
        &[
            "segment: b1\ngroup: b\npriority: 1",
            "segment: a2\ngroup: a\npriority: 2",
            "segment: b2\ngroup: b\npriority: 2",
            "segment: a1\ngroup: a\npriority: 1",
            "segment: alone",
        ],
        Ok(&[("b1", &[]), ("a1", &[]), ("a2", &["a1"]), ("b2", &["b1"]), ("alone", &[])]),
    );
}

#[test]
fn a_group_needs_priorities_and_each_of_them_once() {
    check(&["segment: gold\ngroup: tier"], Err(&[(4, 8, "needs a `priority:`")]));
    check(&["segment: gold\npriority: 1"], Err(&[(4, 11, "only within a `group:`")]));
    check(
        &["segment: gold\ngroup: tier\npriority: 1", "segment: silver\ngroup: tier\npriority: 1"],
        Err(&[(5, 11, "`gold` has priority 1 in group `tier` too")]),
    );
}

#[test]
fn known_answers_have_an_instant_and_expect_something() {
    check(
        &["segment: vip\ntests: [{as_of: 2026-01-01, members: [c1, 2], not_members: [true]}]"],
        Ok(&[("vip", &[])]),
    );
    check(
        &["segment_set: tier\ntests: [{as_of: 2026-01-01, label: gold, members: [c1]}]"],
        Ok(&[("tier", &[])]),
    );
    check(&["segment: vip\ntests:\n  - {as_of: 2026-02-30, members: [c1]}"], Err(&[(5, 13, "2026-02-30")]));
    check(&["segment: vip\ntests:\n  - {as_of: 2026-02-20}"], Err(&[(5, 13, "expects nothing")]));
    check(
        &["segment: vip\ntests:\n  - {as_of: 2026-02-20, label: gold, members: [c1]}"],
        Err(&[(5, 32, "only in a segment set")]),
    );
}
