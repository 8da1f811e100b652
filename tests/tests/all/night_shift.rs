//! Several daemons at work while they are killed, as `night_shift.py` plays it, with the program that was built beside these tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]
#![expect(
    clippy::print_stderr,
    reason = "a long night says what it counted, and a test that was left out says so"
)]

use std::path::Path;
use std::process::Command;

use tranche_tests::{Sandbox, program, ran};

use crate::s3_server::{S3Server, SECRET_KEY, point_at};

/// How long a night is, unless `TRANCHE_TEST_NIGHT_SECONDS` says otherwise.
const SECONDS: &str = "25";

/// Plays a night on a lake that this sandbox's program can reach.
fn check(sandbox: &Sandbox, lake: Option<&str>) {
    if !Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("NOT TESTED WITH KILLED DAEMONS: that needs python3");
        return;
    }
    let seconds = std::env::var("TRANCHE_TEST_NIGHT_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    let kill_every = if seconds == SECONDS { "5" } else { "10" };
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("night_shift.py")).arg(program());
    command.args(["--seconds", &seconds, "--kill-every", kill_every]);
    if let Some(lake) = lake {
        command.args(["--lake", lake]);
    }
    let of_program = sandbox.command(&[]);
    command.envs(of_program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let night = ran(command.output().unwrap()).expect_code(0);
    eprintln!("{}", night.stdout);
    assert!(night.stdout.ends_with("lost 0, doubled 0\n"), "{}\n{}", night.stdout, night.stderr);
    assert!(!night.stdout.starts_with("0 kills"), "{}", night.stdout);
}

#[test]
fn killed_daemons_lose_and_double_nothing_on_local_disk() {
    check(&Sandbox::new(), None);
}

#[test]
fn killed_daemons_lose_and_double_nothing_on_s3() {
    let server = S3Server::start(&["lake"]);
    let mut sandbox = Sandbox::new();
    point_at(&mut sandbox, server.address(), SECRET_KEY);
    check(&sandbox, Some("s3://lake/night"));
}
