//! What is too large is refused by the name of its limit, and output that nobody takes ends the program in order.

use std::fs::File;
use std::process::Stdio;

use tranche_tests::{Sandbox, ran};

const PIPELINE: &str = "version: 1\npipeline: shop\nsteps: [{id: segments, refresh: all}]\n";
const CONTRACT: &str = "version: 1\ntable: people\nkind: entity\nentity: person\nkey: [id]\n\
                        columns: [{name: id, type: utf8, nullable: false}, {name: age, type: int64}]\n";

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tranche.yaml", "version: 1\nlake: ./lake\n");
    sandbox.write("schemas/people.yaml", CONTRACT);
    sandbox.write("pipelines/shop/pipeline.yaml", PIPELINE);
    sandbox
}

/// What `check` says of a segment with this condition; nothing when it is sound.
fn check(sandbox: &Sandbox, condition: &str) -> String {
    let segment =
        format!("/*---\nsegment: x\nentity: person\n---*/\nSELECT id FROM people WHERE {condition}\n");
    sandbox.write("pipelines/shop/segments/x.sql", segment);
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, if ran.stderr.is_empty() { 0 } else { 2 }, "{}", ran.stderr);
    ran.stderr.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn statements_are_refused_by_the_name_of_their_limit_however_they_are_too_large() {
    let sandbox = project();
    let nested = |times: usize| format!("{}age{} > 1", "(".repeat(times), ")".repeat(times));
    assert_eq!(check(&sandbox, &nested(150)), "");
    for (condition, limit) in [
        (nested(100_000), "sql_depth"),
        (format!("{}(age > 1)", "NOT ".repeat(100_000)), "sql_depth"),
        (format!("age{} > 1", " + age".repeat(100_000)), "sql_terms"),
        (format!("age{} > 1", "::bigint".repeat(100_000)), "sql_terms"),
        ("length(repeat(id, 1000000000)) > 1".to_owned(), "value_bytes"),
        ("array_length(range(0, 100000 * 100000)) > 1".to_owned(), "value_bytes"),
    ] {
        let said = check(&sandbox, &condition);
        assert!(said.contains(&format!("limits.{limit}")) && said.contains("x.sql:5:"), "{limit}: {said}");
    }
    let keys: Vec<String> = (0..20_000).map(|key| format!("'{key}'")).collect();
    assert_eq!(check(&sandbox, &format!("id IN ({})", keys.join(","))), "");
    sandbox.write("tranche.yaml", "version: 1\nlake: ./lake\nlimits: {columns: 1}\n");
    let said = check(&sandbox, "age > 1");
    assert!(said.starts_with("schemas/people.yaml:6:") && said.contains("limits.columns"), "{said}");
}

#[test]
fn raw_files_are_refused_and_values_rejected_by_the_name_of_their_limit() {
    let source = "version: 1\nsource: people\ninto: people\nformat: ndjson\npath: data/people.ndjson\n";
    let contract = CONTRACT.replace("{name: age, type: int64}", "{name: tags, type: list(utf8)}");
    let pipeline = "version: 1\npipeline: shop\nsteps: [{id: load, ingest: [people]}]\n";
    let rows =
        [r#"{"id": "p1", "tags": ["a"]}"#, r#"{"id": "p2 is long", "tags": ["a", "b", "c"]}"#].join("\n");
    let load = |limits: &str| {
        let sandbox = project();
        sandbox.write("tranche.yaml", format!("version: 1\nlake: ./lake\nlimits: {{{limits}}}\n"));
        sandbox.write("schemas/people.yaml", &contract);
        let ratio = "on_reject: {quarantine: {max_ratio: 0.5}}\n";
        sandbox.write("pipelines/shop/sources/people.yaml", format!("{source}{ratio}"));
        sandbox.write("pipelines/shop/pipeline.yaml", pipeline);
        sandbox.write("data/people.ndjson", &rows);
        let ran = sandbox.run(&["run", "shop", "--as-of", "2026-06-01"]);
        (sandbox, ran)
    };
    for (limits, says) in [
        ("row_bytes: 30 B", "row 2 is longer than 30 bytes (`limits.row_bytes` in tranche.yaml)"),
        ("expanded_bytes: 40 B", "a raw file may have 40 (`limits.expanded_bytes` in tranche.yaml)"),
    ] {
        let ran = load(limits).1.expect_code(1);
        assert!(ran.stderr.contains(says), "{limits}: {}", ran.stderr);
    }
    for (limits, column, reason) in [
        (
            "value_entries: 2",
            "tags",
            "the value has 3 entries, and one may have 2 (`limits.value_entries` in tranche.yaml)",
        ),
        (
            "value_bytes: 8 B",
            "id",
            "the value has 10 bytes, and one may have 8 (`limits.value_bytes` in tranche.yaml)",
        ),
    ] {
        let (sandbox, ran) = load(limits);
        let _ = ran.expect_code(0);
        let sql = "SELECT \"row\", \"column\", reason FROM quarantine_people";
        let found = sandbox.run(&["--format", "csv", "sql", sql]).expect_code(0).stdout;
        let expected = format!("2,{column},\"{reason}\"");
        assert_eq!(found.lines().nth(1), Some(expected.as_str()), "{limits}");
    }
    // A file may have columns that nobody maps, but not without bound.
    let (sandbox, _) = load("columns: 3");
    sandbox.write("pipelines/shop/sources/people.yaml", source.replace("ndjson", "csv"));
    sandbox.write("schemas/people.yaml", CONTRACT);
    sandbox.write("data/people.csv", "id,age,a,b\np1,3,x,y\n");
    let said =
        sandbox.run(&["--lake", "./other", "run", "shop", "--as-of", "2026-06-01"]).expect_code(1).stderr;
    assert!(said.contains("the file has 4 columns, and a raw file may have 3 (`limits.columns`"), "{said}");
}

#[test]
fn clocks_and_dice_are_refused_in_quotes_too() {
    let sandbox = project();
    for condition in ["\"random\"() > 0.5", "\"now\"() > as_of()", "\"uuid\"() = id"] {
        assert!(check(&sandbox, condition).contains("changes from run to run"), "{condition}");
    }
}

#[test]
fn a_carriage_return_before_an_unknown_key_is_a_line() {
    let sandbox = project();
    sandbox.write(
        "pipelines/shop/pipeline.yaml",
        "version: 1\npipeline: shop\rstesp: 1\nsteps: [{id: segments, refresh: all}]\n",
    );
    let ran = sandbox.run(&["check"]).expect_code(2);
    assert!(
        ran.stderr.starts_with("pipelines/shop/pipeline.yaml:3:1: unknown key `stesp`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn output_that_nobody_takes_ends_the_program_in_order() {
    let sandbox = project();
    for arguments in [&["check"][..], &["completions", "bash"], &["sql", "SELECT 1"], &["sql", "SELEC"]] {
        let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
        let ran_full = ran(sandbox.command(arguments).stdout(full()).output().unwrap());
        let code = if arguments[1..] == ["SELEC"] { 2 } else { 3 };
        assert_eq!(ran_full.code, code, "{arguments:?}: {}", ran_full.stderr);
        let errors_full = sandbox.command(arguments).stdout(Stdio::null()).stderr(full()).status().unwrap();
        assert!(errors_full.code().is_some_and(|code| code <= 2), "{arguments:?}: {errors_full}");
        // A pipe whose reader is gone.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = ran(sandbox.command(arguments).stdout(writer).output().unwrap());
        assert!(closed.code == 0 || closed.code == 2, "{arguments:?}: {}", closed.stderr);
        assert!(!closed.stderr.contains("internal error"), "{arguments:?}: {}", closed.stderr);
    }
}
