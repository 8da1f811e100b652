//! Commands that fail.

use tranche_tests::Sandbox;

use super::{assert_plain, check, screen};
use crate::lab::{Lab, Raw};

#[test]
fn commands_that_fail_say_what_to_do() {
    let lab = Lab::new(&Raw {
        people: vec!["p1,DE".to_owned()],
        exposures: vec!["p1,a,2026-09-01T08:00:00Z".to_owned()],
        purchases: vec!["o1,p1,2026-09-01T09:00:00Z,10".to_owned()],
    });
    lab.define("mail", "metrics: {goal: [revenue]}");
    lab.measure("2026-09-20");
    let mut text = String::new();
    for arguments in [
        &["segment", "list", "--format", "xml"][..],
        &["segment", "list", "--column", "size"],
        &["segment", "list", "--columns", "sizes"],
        &["segment", "show", "countri"],
        &["segment", "members", "country"],
        &["segment", "members", "country/FR"],
        &["segment", "history", "country/FR"],
        &["segment", "why", "country", "p2", "--as-of", "soon"],
        &["trait", "show", "spent"],
        &["experiment", "show", "male"],
        &["experiment", "power", "mail", "--power", "2"],
        &["experiment", "validate", "mail", "--metric", "revenu"],
        &["run", "shopp"],
        &["run", "shop", "--as-of", "2026-13-01"],
        &["resume", "0199"],
        &["runs", "--status", "lost"],
        &["backfill", "shop", "--from", "2026-09-02", "--to", "2026-09-01"],
        &["report", "weekly"],
        &["quarantine", "list", "sales"],
        &["sql", "SELECT name FROM people"],
        &["sql", "SELECT person_id, nam FROM peple WHERE years(born) > 3"],
        &["sql", "SELECT 'open"],
        &["sql", "SELECT 1 / 0"],
        &["sql", "SELECT amount / 0 FROM purchases"],
        &["sql", "SELECT CAST(country AS int) FROM people"],
        &["--project", "nowhere", "check"],
        &["--lake", "nowhere://lake", "runs"],
        &["--lake", "lake-that-is-not-there", "segment", "list"],
        &["stats", "nothing.json"],
    ] {
        let ran = lab.tranche(arguments);
        text.push_str(&screen(arguments, &ran));
    }
    assert_plain(&text);
    check("errors", &text);
}

#[test]
fn check_shows_every_mistake_at_its_line() {
    let sandbox = Sandbox::scenario("mistakes", None);
    let text = screen(&["check"], &sandbox.run(&["check"]).expect_code(2));
    assert_plain(&text);
    check("check", &text);
}
