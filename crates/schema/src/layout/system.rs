//! `_sys/`: what runs, schedules and notifications write. Most objects there are created once and never
//! changed.

use crate::table::Retention;

/// How long notifications stay in the outbox.
pub const MESSAGE_DAYS: u16 = 30;

/// Something under `_sys/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct System {
    /// Its folder or object, relative to the lake.
    pub path: &'static str,
    /// How long its objects stay.
    pub retention: Retention,
}

const fn system(path: &'static str, retention: Retention) -> System {
    System { path, retention }
}

/// `<run>/<sequence>.json`: the log of each run.
pub const RUNS: System = system("_sys/runs", Retention::Runs);
/// `<blake3>.json`: the definitions that runs were started with, by content.
pub const DEFINITIONS: System = system("_sys/definitions", Retention::Runs);
/// `<digest>.json`: the contracts that tables remember, by content.
pub const CONTRACTS: System = system("_sys/contracts", Retention::Forever);
/// `<run>.json`: the heartbeat of each run's owner.
pub const LEASES: System = system("_sys/leases", Retention::Runs);
/// `<id>/<sequence>.json`: the slots of each backfill.
pub const BACKFILLS: System = system("_sys/backfills", Retention::Runs);
/// `<pipeline>/<instant>/<sequence>.json`: the decisions about each slot.
pub const SLOTS: System = system("_sys/slots", Retention::Forever);
/// `<pipeline>/<sequence>.json`: the schedule of each pipeline and its changes.
pub const SCHEDULES: System = system("_sys/schedules", Retention::Forever);
/// `<pipeline>/<sequence>.json`: the files that arrived for each pipeline.
pub const ARRIVALS: System = system("_sys/arrivals", Retention::Forever);
/// `<pipeline>.json`: up to where all slots of each pipeline have ended.
pub const WATERMARKS: System = system("_sys/settled", Retention::Forever);
/// The object that the storage's clock is read from.
pub const CLOCK: System = system("_sys/clock.json", Retention::Forever);
/// `<message>/`: each notification, its delivery attempts, and its deliveries.
pub const OUTBOX: System = system("_sys/outbox", Retention::Days(MESSAGE_DAYS));
/// `<channel>.json`: since when each channel exists.
pub const OUTBOX_CHANNELS: System = system("_sys/outbox-channels", Retention::Forever);
/// Where a storage is tried; nothing stays.
pub const PROBE: System = system("_sys/doctor", Retention::Days(0));

/// Everything under `_sys/`.
pub const ALL: [System; 13] = [
    RUNS,
    DEFINITIONS,
    CONTRACTS,
    LEASES,
    BACKFILLS,
    SLOTS,
    SCHEDULES,
    ARRIVALS,
    WATERMARKS,
    CLOCK,
    OUTBOX,
    OUTBOX_CHANNELS,
    PROBE,
];
