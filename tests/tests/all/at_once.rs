//! Processes at once on one lake: rows once, results once, and history that agrees with memberships.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Stdio;

use serde_json::Value;
use tranche_tests::{Ran, Sandbox, ran};

const ROUNDS: usize = 3;

const FILES: [(&str, &str); 12] = [
    ("tranche.yaml", "version: 1\nlake: ./lake\ntimezone: UTC\n"),
    (
        "schemas/people.yaml",
        "version: 1\ntable: people\nkind: entity\nentity: person\nkey: [person_id]\ncolumns:\n  - {name: person_id, type: utf8, nullable: false}\n  - {name: country, type: utf8}\n",
    ),
    (
        "schemas/visits.yaml",
        "version: 1\ntable: visits\nkind: event\nentity: {person: person_id}\nkey: [visit_id]\nevent_time: at\ncolumns:\n  - {name: visit_id, type: utf8, nullable: false}\n  - {name: person_id, type: utf8, nullable: false}\n  - {name: at, type: 'timestamp(us, UTC)', nullable: false}\n  - {name: arm, type: utf8}\n  - {name: minutes, type: int64}\n",
    ),
    (
        "pipelines/site/sources/people.yaml",
        "version: 1\nsource: people\ninto: people\nformat: csv\npath: data/people.csv\n",
    ),
    (
        "pipelines/site/sources/visits.yaml",
        "version: 1\nsource: visits\ninto: visits\nformat: csv\npath: data/visits.csv\n",
    ),
    (
        "pipelines/site/traits/stay.sql",
        "/*---\ntraits: stay\nentity: person\ndefaults: {minutes_total: 0}\n---*/\nSELECT person_id, sum(minutes) AS minutes_total FROM visits GROUP BY person_id\n",
    ),
    (
        "pipelines/site/segments/recent.sql",
        "/*---\nsegment: recent\nentity: person\nexpect: {not_empty: false}\n---*/\nSELECT person_id FROM visits WHERE at >= as_of() - INTERVAL '3 days'\n",
    ),
    (
        "pipelines/site/metrics/stay.yaml",
        "version: 1\nmetric: stay\ntype: mean\nfact: {table: visits, value: minutes, aggregate: sum}\n",
    ),
    (
        "pipelines/site/experiments/banner.yaml",
        "version: 1\nexperiment: banner\nhypothesis: A banner keeps people.\nentity: person\nexposure: {table: visits, variant: arm}\nvariants: {control: 0.5, banner: 0.5}\ncontrol: control\nperiod: {from: 2026-09-01, to: 2026-10-01}\nmetrics: {goal: [stay]}\n",
    ),
    (
        "pipelines/site/reports/monthly.yaml",
        "version: 1\nreport: monthly\nperiod: month\nsegments: [all]\nkpis:\n  - {metric: stay}\n",
    ),
    (
        "pipelines/mail/segments/swiss.sql",
        "/*---\nsegment: swiss\nentity: person\n---*/\nSELECT person_id FROM people WHERE country = 'CH'\n",
    ),
    ("pipelines/mail/pipeline.yaml", "version: 1\npipeline: mail\nsteps:\n  - {id: who, refresh: all}\n"),
];

const STEPS: &str = "steps:\n  - {id: load, ingest: all}\n  - {id: who, refresh: all, needs: [load]}\n";

/// Sixty people who visit a site on some of 28 days.
pub(crate) fn project(more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    for (path, text) in FILES {
        sandbox.write(path, text);
    }
    let mut people = "person_id,country\n".to_owned();
    let mut visits = "visit_id,person_id,at,arm,minutes\n".to_owned();
    for person in 0..60 {
        let _ = writeln!(people, "p{person},{}", if person % 3 == 0 { "CH" } else { "AT" });
        let arm = if person % 2 == 0 { "control" } else { "banner" };
        for visit in 0..4 {
            let day = (person * 5 + visit * 7) % 28 + 1;
            let minutes = (person * 11 + visit * 3) % 40;
            let _ =
                writeln!(visits, "v{person}-{visit},p{person},2026-09-{day:02}T09:00:00Z,{arm},{minutes}");
        }
    }
    sandbox.write("data/people.csv", people);
    sandbox.write("data/visits.csv", visits);
    sandbox.write("pipelines/site/pipeline.yaml", format!("version: 1\npipeline: site\n{STEPS}{more}"));
    sandbox
}

/// Two processes that begin together; neither may fail.
fn both(sandbox: &Sandbox, first: &[&str], second: &[&str]) -> [Ran; 2] {
    let begin = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    [begin(first), begin(second)].map(|child| ran(child.wait_with_output().unwrap()).expect_code(0))
}

fn lines(sandbox: &Sandbox, query: &str) -> Vec<String> {
    let found = sandbox.run(&["--format", "csv", "sql", query, "--as-of", "2026-10-02"]).expect_code(0);
    found.stdout.lines().skip(1).map(str::to_owned).collect()
}

/// The doctor has nothing to say.
fn assert_well(sandbox: &Sandbox) {
    let found = sandbox.run(&["--format", "json", "doctor"]).json();
    let bad: Vec<&Value> = found.as_array().unwrap().iter().filter(|check| check["ok"] != true).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

const HISTORY: &str =
    "SELECT segment, CAST(as_of AS date) AS day, size, entered, exited FROM segment_history ORDER BY 1, 2";
const MEMBERSHIPS: &str =
    "SELECT segment, person_id, entered_at, exited_at FROM memberships ORDER BY 1, 2, 3";

#[test]
fn two_runs_as_of_one_instant_leave_each_result_once() {
    for round in 0..ROUNDS {
        let sandbox = project(
            "  - {id: tests, measure: all, needs: [who]}\n  - {id: page, report: all, needs: [tests]}\n",
        );
        let run = ["run", "site", "--as-of", "2026-10-01"];
        both(&sandbox, &run, &run);
        for (table, key) in [
            ("estimates", "experiment, metric, segment, variant, as_of"),
            ("estimate_series", "experiment, metric, variant, day, span, as_of"),
            ("kpis", "report, metric, segment, as_of"),
        ] {
            let rows = lines(&sandbox, &format!("SELECT {key}, count(*) AS n FROM {table} GROUP BY {key}"));
            assert!(
                !rows.is_empty() && rows.iter().all(|row| row.ends_with(",1")),
                "{round}: {table} {rows:#?}"
            );
        }
        assert_eq!(lines(&sandbox, "SELECT count(*), count(DISTINCT visit_id) FROM visits"), ["240,240"]);
        assert_well(&sandbox);
    }
}

#[test]
fn runs_as_of_several_instants_end_as_one_after_the_other() {
    let days = ["2026-09-08", "2026-09-15", "2026-09-22"];
    let in_order = project("");
    for day in days {
        let _ = in_order.run(&["run", "site", "--as-of", day]).expect_code(0);
    }
    let expected = (lines(&in_order, HISTORY), lines(&in_order, MEMBERSHIPS));
    let traits = "SELECT person_id, minutes_total FROM traits ORDER BY 1";
    let latest = lines(&in_order, traits);
    for round in 0..ROUNDS {
        let sandbox = project("");
        let _ = sandbox.run(&["run", "site", "--as-of", days[1]]).expect_code(0);
        both(&sandbox, &["run", "site", "--as-of", days[2]], &["run", "site", "--as-of", days[0]]);
        assert_eq!((lines(&sandbox, HISTORY), lines(&sandbox, MEMBERSHIPS)), expected, "round {round}");
        assert_eq!(lines(&sandbox, traits), latest, "round {round}: traits are those of the latest instant");
        assert_well(&sandbox);
    }
}

#[test]
fn two_pipelines_have_their_segments_and_traits_of_one_entity_side_by_side() {
    let visitors = "/*---\ntraits: visitors\nentity: person\ndefaults: {visits: 0}\n---*/\nSELECT person_id, count(*) AS visits FROM visits GROUP BY person_id\n";
    // Of whichever instant the other pipeline is, each has its own.
    for (round, (mail, visits)) in
        [("2026-09-23", 189), ("2026-09-21", 172), ("2026-09-23", 189)].iter().enumerate()
    {
        let sandbox = project("");
        sandbox.write("pipelines/mail/traits/visitors.sql", visitors);
        let _ = sandbox.run(&["run", "site", "--as-of", "2026-09-20"]).expect_code(0);
        both(&sandbox, &["run", "site", "--as-of", "2026-09-22"], &["run", "mail", "--as-of", mail]);
        let open = "SELECT segment, count(*) FROM memberships WHERE exited_at IS NULL GROUP BY 1 ORDER BY 1";
        assert_eq!(lines(&sandbox, open), ["recent,25", "swiss,20"], "round {round}");
        let traits = "SELECT count(*), sum(minutes_total), sum(visits) FROM traits";
        assert_eq!(lines(&sandbox, traits), [format!("60,3451,{visits}")], "round {round}");
        assert_well(&sandbox);
    }
}

#[test]
fn a_segment_that_moves_to_another_pipeline_keeps_its_members() {
    let sandbox = project("");
    let _ = sandbox.run(&["run", "site", "--as-of", "2026-09-20"]).expect_code(0);
    let (from, to) = ("pipelines/site/segments/recent.sql", "pipelines/mail/segments/recent.sql");
    std::fs::rename(sandbox.path().join(from), sandbox.path().join(to)).unwrap();
    let entered = "SELECT person_id, entered_at FROM memberships WHERE segment = 'recent' AND exited_at IS NULL ORDER BY 1";
    let before = lines(&sandbox, entered);
    for pipeline in ["mail", "site"] {
        let _ = sandbox.run(&["run", pipeline, "--as-of", "2026-09-20T01:00"]).expect_code(0);
        assert_eq!(lines(&sandbox, entered), before, "after {pipeline}");
    }
    assert_well(&sandbox);
}

#[test]
fn slots_side_by_side_leave_what_they_leave_one_by_one() {
    let schedule = "concurrency: 4\nschedule: {cron: '0 2 * * *', timezone: UTC, catchup: none}\n";
    let backfill = |concurrency: &str| {
        let sandbox = project(schedule);
        let span = ["backfill", "site", "--from", "2026-09-05", "--to", "2026-09-17"];
        let _ = sandbox.run(&[&span[..], &["--concurrency", concurrency]].concat()).expect_code(0);
        assert_well(&sandbox);
        (lines(&sandbox, HISTORY), lines(&sandbox, MEMBERSHIPS))
    };
    let (one_by_one, side_by_side) = (backfill("1"), backfill("4"));
    let days: BTreeSet<&str> = one_by_one.0.iter().filter_map(|row| row.split(',').nth(1)).collect();
    assert_eq!(days.len(), 12);
    assert_eq!(side_by_side, one_by_one);
}
