//! The demo on a real S3 protocol: the same results as on local disk, and clear words when the storage does not play along.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::net::TcpListener;

use tranche_tests::Sandbox;

use crate::demo_shop::{contents, rounded, shop, whole_shop};
use crate::s3_server::{S3Server, SECRET_KEY, point_at};

/// Runs the shop's pipeline at each `as_of`, then gives what people ask for.
fn results(sandbox: &Sandbox, as_ofs: &[&str]) -> Vec<String> {
    for as_of in as_ofs {
        let _ = sandbox.run(&["run", "shop", "--as-of", as_of]).expect_code(0);
    }
    let questions: [&[&str]; 5] = [
        &["--format", "json", "segment", "list"],
        &["--format", "csv", "segment", "members", "lapsing_vip"],
        &[
            "--format",
            "csv",
            "sql",
            "SELECT count(*), sum(amount), min(ordered_at), max(ordered_at) FROM orders",
        ],
        &["--format", "json", "experiment", "show", "winback"],
        &["--format", "csv", "trait", "list"],
    ];
    questions.map(|question| rounded(&sandbox.run(question).expect_code(0).stdout)).to_vec()
}

/// Moves the raw files of a project into a bucket.
fn move_raw_files_to(server: &S3Server, bucket: &str, sandbox: &Sandbox) {
    server.upload(&sandbox.path().join("data"), bucket);
    std::fs::remove_dir_all(sandbox.path().join("data")).unwrap();
    for source in std::fs::read_dir(sandbox.path().join("pipelines/shop/sources")).unwrap().flatten() {
        let text = std::fs::read_to_string(source.path()).unwrap();
        std::fs::write(source.path(), text.replace("path: data/", &format!("path: s3://{bucket}/"))).unwrap();
    }
}

#[test]
fn a_lake_on_s3_holds_what_a_lake_on_local_disk_holds() {
    let as_ofs = ["2026-10-01", "2026-11-01"];
    let local = shop();
    let expected = (results(&local, &as_ofs), contents(&local));

    let server = S3Server::start(&["lake"]);
    let mut remote = shop();
    point_at(&mut remote, server.address(), SECRET_KEY);
    remote.set("TRANCHE_LAKE", "s3://lake/shop");
    assert_eq!(results(&remote, &as_ofs), expected.0);
    contents(&remote).assert_same(&expected.1, "lake on S3");
    assert!(!remote.path().join("lake").exists());
    assert!(server.bucket("lake").join("shop/reports/monthly/2026-10-31T23-00-00Z/index.html").exists());
    check_what_must_be_created_once(&server);
}

/// Raw files and lake in buckets: every step of the demo, its whole report and its whole experiment, at its three instants.
#[test]
fn the_whole_demo_gives_the_same_on_s3_as_on_local_disk() {
    let as_ofs = ["2026-09-01", "2026-10-01", "2026-11-01"];
    let local = whole_shop();
    let expected = (results(&local, &as_ofs), contents(&local));
    expected.1.assert_not_empty();

    let server = S3Server::start(&["lake", "data"]);
    let mut remote = whole_shop();
    move_raw_files_to(&server, "data", &remote);
    point_at(&mut remote, server.address(), SECRET_KEY);
    remote.set("TRANCHE_LAKE", "s3://lake/another/folder");
    assert_eq!(results(&remote, &as_ofs), expected.0);
    contents(&remote).assert_same(&expected.1, "raw files and lake on S3");
    let count = ["--format", "csv", "sql", "SELECT count(*) FROM loads WHERE file NOT LIKE '%s3://data/%'"];
    assert_eq!(remote.run(&count).expect_code(0).stdout.lines().last(), Some("0"));
    let page = |lake: &std::path::Path| {
        let report =
            std::fs::read_to_string(lake.join("reports/monthly/2026-10-31T23-00-00Z/report.json")).unwrap();
        let mut report: serde_json::Value = serde_json::from_str(&report).unwrap();
        for of_one_run in ["run_id", "blake3"] {
            report.as_object_mut().unwrap().remove(of_one_run).unwrap();
        }
        rounded(&report.to_string())
    };
    assert_eq!(page(&server.bucket("lake").join("another/folder")), page(&local.path().join("lake")));
}

/// Commits and events of runs must never replace one another, so each is written on the condition that it is not there.
fn check_what_must_be_created_once(server: &S3Server) {
    let written = server.written();
    let once = |path: &str| {
        path.contains("/_sys/runs/") || (path.contains("/_delta_log/") && path.ends_with(".json"))
    };
    let guarded = written.iter().filter(|object| once(&object.path)).count();
    assert!(guarded > 40, "{guarded} objects that must be created once");
    let unguarded: Vec<_> =
        written.iter().filter(|object| once(&object.path) && !object.create_only).collect();
    assert!(unguarded.is_empty(), "{unguarded:#?}");
}

/// A storage failure is distinguished from wrong definitions and data, in words. One that never gave up would be ended by the
/// test runner.
fn check_failing(sandbox: &Sandbox, arguments: &[&str], says: &[&str]) {
    let ran = sandbox.run(arguments).expect_code(3);
    for part in says {
        assert!(ran.stderr.contains(part), "{}\nlacks {part}", ran.stderr);
    }
    assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains(SECRET_KEY), "{}", ran.stderr);
}

#[test]
fn a_wrong_secret_is_refused_by_name() {
    let server = S3Server::start(&["lake"]);
    let mut sandbox = shop();
    point_at(&mut sandbox, server.address(), "wrong");
    for arguments in [
        &["run", "shop", "--as-of", "2026-10-01"][..],
        &["runs"],
        &["segment", "list"],
        &["sql", "SELECT count(*) FROM orders"],
    ] {
        check_failing(
            &sandbox,
            &[&["--lake", "s3://lake/shop"], arguments].concat(),
            &["SignatureDoesNotMatch"],
        );
    }
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let server = S3Server::start(&[]);
    let mut sandbox = shop();
    point_at(&mut sandbox, server.address(), SECRET_KEY);
    check_failing(
        &sandbox,
        &["--lake", "s3://no-such-lake/shop", "run", "shop", "--as-of", "2026-10-01"],
        &["no-such-lake"],
    );
}

#[test]
fn a_server_that_is_not_there_is_given_up() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut sandbox = shop();
    point_at(&mut sandbox, address, SECRET_KEY);
    let address = address.to_string();
    check_failing(
        &sandbox,
        &["--lake", "s3://lake/shop", "run", "shop", "--as-of", "2026-10-01"],
        &[&address],
    );
}
