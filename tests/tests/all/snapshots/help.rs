//! What `--help` says.

use tranche_tests::Sandbox;

use super::{check, screen};

#[test]
fn help_of_the_program_and_of_two_commands() {
    let sandbox = Sandbox::new();
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help_run", &["run", "--help"]),
        ("help_segment_preview", &["segment", "preview", "--help"]),
    ] {
        check(name, &screen(arguments, &sandbox.run(arguments).expect_code(0)));
    }
}
