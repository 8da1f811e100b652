//! A fault of the storage at one request of a night: the client asks again, and whatever became of the first request, the lake holds what an
//! undisturbed night leaves.

use std::sync::OnceLock;

use tranche_tests::Sandbox;

use crate::demo_shop::{Contents, contents, shop};
use crate::s3_server::{Fault, S3Server, SECRET_KEY, point_at};

/// The night that is disturbed: loads, refresh, experiment, report; and one after it, with maintenance, that builds on what it left.
const FIRST: [&str; 4] = ["run", "shop", "--as-of", "2026-10-01"];
const SECOND: [&str; 4] = ["run", "shop", "--as-of", "2026-11-01"];

/// So many places of a night are tried by a build; `TRANCHE_FAULTS` asks for more, or for `all`.
const PLACES: u64 = 4;

fn remote_shop(server: &S3Server) -> Sandbox {
    let mut sandbox = shop();
    point_at(&mut sandbox, server.address(), SECRET_KEY);
    sandbox.set("TRANCHE_LAKE", "s3://lake/shop");
    sandbox
}

/// What two undisturbed nights leave, and how many requests the first makes.
fn undisturbed() -> &'static (Contents, u64) {
    static UNDISTURBED: OnceLock<(Contents, u64)> = OnceLock::new();
    UNDISTURBED.get_or_init(|| {
        let server = S3Server::start(&["lake"]);
        let sandbox = remote_shop(&server);
        let _ = sandbox.run(&FIRST).expect_code(0);
        let requests = server.requests();
        let _ = sandbox.run(&SECOND).expect_code(0);
        let contents = contents(&sandbox);
        contents.assert_not_empty();
        (contents, requests)
    })
}

fn check(place: u64, fault: Fault) {
    let server = S3Server::start(&["lake"]);
    let sandbox = remote_shop(&server);
    server.fail(place..place + 1, fault);
    let what = format!("{fault:?} at request {place}");
    let ran = sandbox.run(&FIRST);
    assert_eq!(ran.code, 0, "{what}: {}\n{}", ran.stdout, ran.stderr);
    assert!(server.requests() > place, "{what} did not come");
    let _ = sandbox.run(&SECOND).expect_code(0);
    contents(&sandbox).assert_same(&undisturbed().0, &what);
}

#[test]
fn a_fault_at_any_request_changes_nothing() {
    let (_, requests) = undisturbed();
    let places = match std::env::var("TRANCHE_FAULTS").as_deref() {
        Ok("all") => *requests,
        Ok(places) => places.parse().unwrap(),
        Err(_) => PLACES,
    };
    for (number, fault) in (0..places).zip(Fault::ALL.into_iter().cycle()) {
        // Places between the first request and the last; the last tenth is not reached by every night.
        check(number * (requests * 9 / 10) / places, fault);
    }
}
