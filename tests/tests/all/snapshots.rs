//! What people see in a terminal, held as texts under `snapshots/`: tables, screens of errors, help.
//!
//! After a change that is meant: run these tests with `INSTA_UPDATE=always`, and read the difference before committing it.

mod errors;
mod help;
mod statements;
mod tables;

use tranche_tests::Ran;

/// That a text is the one in `snapshots/<name>.snap`, but for what differs from run to run.
fn check(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => "snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
        filters => vec![
            (r"\b01[0-9a-f]{30}\b", "0123456789ab7cde8f0123456789abcd"),
            (r"/[^ `'\n]*/\.tmp[A-Za-z0-9]{6}", "<folder>"),
        ],
    }, {
        insta::assert_snapshot!(name, text);
    });
}

/// A command, its exit code, and all that it prints.
fn screen(arguments: &[&str], ran: &Ran) -> String {
    let mut text = format!("$ tranche {}\n", arguments.join(" "));
    text.push_str(&ran.stdout);
    for line in ran.stderr.lines() {
        text.push_str(format!("[stderr] {line}").trim_end());
        text.push('\n');
    }
    format!("{text}[exit code {}]\n\n", ran.code)
}

/// Words of the machinery below, and instants that stand for "the latest": no text that people read has them.
fn assert_plain(text: &str) {
    const JARGON: [&str; 24] = [
        "9999-",
        "Arrow",
        "Coercion",
        "DataFusion",
        "Decimal128",
        "Error(",
        "Execution error",
        "Field {",
        "Float64",
        "Int64",
        "Internal error",
        "LogicalPlan",
        "Optimizer",
        "ParserError",
        "Some(",
        "SchemaError",
        "Schema error",
        "Timestamp(",
        "TokenizerError",
        "Utf8",
        "datafusion",
        "panicked",
        "tokenizerError",
        "user_defined",
    ];
    let found: Vec<&str> = JARGON.into_iter().filter(|word| text.contains(word)).collect();
    let lines = text.lines().filter(|line| found.iter().any(|word| line.contains(word)));
    assert!(found.is_empty(), "{found:?} in\n{}", lines.collect::<Vec<_>>().join("\n"));
}
