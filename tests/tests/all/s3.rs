//! The demo on a real S3 protocol: the same results as on local disk, and clear words when the storage does not play along.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::TcpListener;
use std::time::{Duration, Instant};

use tranche_tests::Sandbox;

use crate::demo_shop::{contents, rounded, shop};
use crate::s3_server::{S3Server, SECRET_KEY, point_at};

/// Runs the demo's two months, then gives what people ask for.
fn results(sandbox: &Sandbox) -> Vec<String> {
    for as_of in ["2026-10-01", "2026-11-01"] {
        let _ = sandbox.run(&["run", "shop", "--as-of", as_of]).expect_code(0);
    }
    let questions: [&[&str]; 5] = [
        &["--format", "json", "segment", "list"],
        &["--format", "csv", "segment", "members", "lapsing_vip"],
        &["--format", "csv", "sql", "SELECT count(*), sum(amount), min(ordered_at), max(ordered_at) FROM orders"],
        &["--format", "json", "experiment", "show", "winback"],
        &["--format", "csv", "trait", "list"],
    ];
    questions.map(|question| rounded(&sandbox.run(question).expect_code(0).stdout)).to_vec()
}

/// The demo's project with its raw files in a bucket.
fn with_raw_files_in(server: &S3Server, bucket: &str) -> Sandbox {
    let sandbox = shop();
    server.upload(&sandbox.path().join("data"), bucket);
    std::fs::remove_dir_all(sandbox.path().join("data")).unwrap();
    for source in std::fs::read_dir(sandbox.path().join("pipelines/shop/sources")).unwrap().flatten() {
        let text = std::fs::read_to_string(source.path()).unwrap();
        std::fs::write(source.path(), text.replace("path: data/", &format!("path: s3://{bucket}/"))).unwrap();
    }
    sandbox
}

#[test]
fn a_lake_on_s3_holds_what_a_lake_on_local_disk_holds() {
    let local = shop();
    let expected = (results(&local), contents(&local));

    let server = S3Server::start(&["lake", "raw"]);
    let mut remote = shop();
    point_at(&mut remote, server.address(), SECRET_KEY);
    remote.set("TRANCHE_LAKE", "s3://lake/shop");
    assert_eq!(results(&remote), expected.0);
    contents(&remote).assert_same(&expected.1, "lake on S3");
    assert!(!remote.path().join("lake").exists());
    assert!(server.bucket("lake").join("shop/reports/monthly/2026-10-31T23-00-00Z/index.html").exists());
    check_what_must_be_created_once(&server);

    let mut all_remote = with_raw_files_in(&server, "raw");
    point_at(&mut all_remote, server.address(), SECRET_KEY);
    all_remote.set("TRANCHE_LAKE", "s3://lake/another/folder");
    assert_eq!(results(&all_remote), expected.0);
    let files = all_remote.run(&["--format", "csv", "sql", "SELECT min(file), count(*) FROM loads"]).expect_code(0);
    let local_files = local.run(&["--format", "csv", "sql", "SELECT min(file), count(*) FROM loads"]).expect_code(0);
    assert_eq!(files.stdout.rsplit(',').next(), local_files.stdout.rsplit(',').next(), "{}", files.stdout);
}

/// Commits and events of runs must never replace one another, so each is written on the condition that it is not there.
fn check_what_must_be_created_once(server: &S3Server) {
    let written = server.written();
    let once = |path: &str| path.contains("/_sys/runs/") || (path.contains("/_delta_log/") && path.ends_with(".json"));
    let guarded = written.iter().filter(|object| once(&object.path)).count();
    assert!(guarded > 40, "{guarded} objects that must be created once");
    let unguarded: Vec<_> = written.iter().filter(|object| once(&object.path) && !object.create_only).collect();
    assert!(unguarded.is_empty(), "{unguarded:#?}");
}

/// How long the program may take to give up on a storage that does not answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A storage that fails is told apart from wrong definitions and data, in words, and soon.
fn check_failing(sandbox: &Sandbox, arguments: &[&str], says: &[&str]) {
    let begun = Instant::now();
    let ran = sandbox.run(arguments);
    let took = begun.elapsed();
    assert_eq!(ran.code, 3, "{arguments:?} took {took:?}\n{}\n{}", ran.stdout, ran.stderr);
    for part in says {
        assert!(ran.stderr.contains(part), "{}\nlacks {part}", ran.stderr);
    }
    assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains(SECRET_KEY), "{}", ran.stderr);
    assert!(took < PATIENCE, "it took {took:?}: {}", ran.stderr);
}

#[test]
fn a_wrong_secret_is_refused_by_name() {
    let server = S3Server::start(&["lake"]);
    let mut sandbox = shop();
    point_at(&mut sandbox, server.address(), "wrong");
    for arguments in
        [&["run", "shop", "--as-of", "2026-10-01"][..], &["runs"], &["segment", "list"], &["sql", "SELECT count(*) FROM orders"]]
    {
        check_failing(&sandbox, &[&["--lake", "s3://lake/shop"], arguments].concat(), &["SignatureDoesNotMatch"]);
    }
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let server = S3Server::start(&[]);
    let mut sandbox = shop();
    point_at(&mut sandbox, server.address(), SECRET_KEY);
    check_failing(&sandbox, &["--lake", "s3://no-such-lake/shop", "run", "shop", "--as-of", "2026-10-01"], &["no-such-lake"]);
}

#[test]
fn a_server_that_is_not_there_is_given_up_soon() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut sandbox = shop();
    point_at(&mut sandbox, address, SECRET_KEY);
    let address = address.to_string();
    check_failing(&sandbox, &["--lake", "s3://lake/shop", "run", "shop", "--as-of", "2026-10-01"], &[&address]);
}
