//! Random files with random mappings hold what DuckDB makes of them, as `random_sources/run.py` plays it.

#![expect(clippy::print_stderr, reason = "a test says what it counted, and that it was left out")]

use std::path::Path;
use std::process::Command;

use tranche_tests::{program, ran};

/// So many sources are loaded by a build; `TRANCHE_RANDOM_SOURCES` asks for more.
const SOURCES: &str = "300";

#[test]
fn random_sources_hold_what_duckdb_makes_of_them() {
    let python = std::env::var("TRANCHE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_modules = Command::new(&python).args(["-c", "import duckdb, pyarrow"]).output();
    if !has_modules.is_ok_and(|output| output.status.success()) {
        eprintln!("NOT TESTED WITH RANDOM SOURCES: that needs {python} with duckdb and pyarrow");
        return;
    }
    let sources = std::env::var("TRANCHE_RANDOM_SOURCES").unwrap_or_else(|_| SOURCES.to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("random_sources/run.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg(program()).args(["--sources", &sources]);
    let ran = ran(command.output().unwrap());
    eprintln!("{}", ran.stdout);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.ends_with(&format!("{sources} sources: 0 differences\n")), "{}", ran.stdout);
}
