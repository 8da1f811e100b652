//! A disk that is too small for a night: the run fails with a message, and continues where there is room, to what it would have been.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::path::Path;
use std::process::Command;

use tranche_tests::{Ran, Sandbox, program, ran};

use crate::demo_shop::{contents, shop};

const FIRST: [&str; 5] = ["--format", "json", "run", "shop", "--as-of=2026-10-01"];
const SECOND: [&str; 4] = ["run", "shop", "--as-of", "2026-11-01"];

/// So many sizes are tried by a build; `TRANCHE_DISK_SIZES` asks for more.
const SIZES: u64 = 2;

/// What memory gives to a file at least.
const BLOCK: u64 = 4_096;

/// What the file system says that could not be mounted.
const NO_DISK: i32 = 90;

/// Runs the program with a lake on a disk of so many bytes, and keeps what it left; `None` where this user may not make disks.
fn on_disk_of(sandbox: &Sandbox, bytes: u64) -> Option<Ran> {
    std::fs::create_dir_all(sandbox.path().join("lake")).unwrap();
    let script = format!(
        "mount -t tmpfs -o size={bytes} none lake || exit {NO_DISK}; \"$@\"; code=$?; cp -a lake/. kept; exit $code"
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]).arg(program());
    let output = command.args(FIRST).current_dir(sandbox.path()).output().ok()?;
    let ran = ran(output);
    if matches!(ran.code, NO_DISK | -1) || ran.stderr.starts_with("unshare:") {
        return None;
    }
    std::fs::remove_dir(sandbox.path().join("lake")).unwrap();
    std::fs::rename(sandbox.path().join("kept"), sandbox.path().join("lake")).unwrap();
    Some(ran)
}

/// What a folder takes on such a disk.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let size = |path: &Path| match path.is_dir() {
        true => size_of(path),
        false => path.metadata().unwrap().len().next_multiple_of(BLOCK),
    };
    entries.map(|entry| size(&entry.path())).sum()
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_run_that_fills_the_disk_fails_and_continues_where_there_is_room() {
    let sizes = std::env::var("TRANCHE_DISK_SIZES").map_or(SIZES, |sizes| sizes.parse().unwrap());
    let undisturbed = shop();
    let _ = undisturbed.run(&FIRST).expect_code(0);
    let needed = size_of(&undisturbed.path().join("lake"));
    let _ = undisturbed.run(&SECOND).expect_code(0);
    let expected = contents(&undisturbed);
    let mut failed = 0;
    for number in 1..=sizes {
        let sandbox = shop();
        // A step is tried again at once: a disk does not get larger by waiting.
        sandbox.amend("pipelines/shop/pipeline.yaml", "backoff: 30s", "backoff: 1ms");
        let bytes = (needed * number / (sizes + 1)).next_multiple_of(BLOCK);
        let what = format!("a disk of {bytes} bytes where {needed} are needed");
        let Some(ran) = on_disk_of(&sandbox, bytes) else {
            eprintln!("skipped: this user may not mount a file system of its own");
            return;
        };
        assert!(!ran.stderr.contains("panicked"), "{what}: {}", ran.stderr);
        // Maintenance leaves for the next time what does not fit now.
        assert!(matches!(ran.code, 0 | 1 | 3), "{what}: {} {}", ran.code, ran.stderr);
        assert!(ran.stderr.contains("No space left"), "{what}: {}", ran.stderr);
        failed += u64::from(ran.code != 0);
        let runs = sandbox.run(&["--format", "json", "runs"]).expect_code(0).json();
        match runs[0]["run_id"].as_str() {
            Some(_) if ran.code == 0 => {}
            Some(run) => _ = sandbox.run(&["resume", "--force", run]).expect_code(0),
            None => _ = sandbox.run(&FIRST).expect_code(0),
        }
        let _ = sandbox.run(&SECOND).expect_code(0);
        contents(&sandbox).assert_same(&expected, &what);
        let _ = sandbox.run(&["doctor", "--deep"]).expect_code(0);
    }
    assert!(failed > sizes / 2, "{failed} of {sizes} runs failed");
}
