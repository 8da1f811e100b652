//! What all processes of a simulation share: true time, the bucket, and the faults that are dealt out.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::random::Random;

/// What can happen around an operation on the storage, or to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Nothing was done, and the answer says that it failed.
    FailBefore,
    /// It was done, and the answer says that it failed.
    FailAfter,
    /// It was done, and the answer says that another process did it before.
    ConflictAfter,
    /// Nothing was done, and the answer says that another process did it before.
    ConflictBefore,
    /// The answer says that it failed, and it is done later.
    Late,
    /// It takes its time.
    Delay,
    /// A listing leaves out what is new.
    StaleList,
    /// The process ends before the operation.
    KillBefore,
    /// The process ends after the operation, before it learns of it.
    KillAfter,
    /// The process stands still for longer than its lease, then continues.
    Freeze,
    /// The process's clock jumps forwards.
    JumpForwards,
    /// The process's clock jumps backwards.
    JumpBackwards,
    /// The process is asked to end.
    Drain,
    /// The project is changed.
    Edit,
    /// A pipeline is paused, and resumed later.
    Pause,
}

impl Fault {
    pub(crate) const ALL: [Self; 15] = [
        Self::FailBefore,
        Self::FailAfter,
        Self::ConflictAfter,
        Self::ConflictBefore,
        Self::Late,
        Self::Delay,
        Self::StaleList,
        Self::KillBefore,
        Self::KillAfter,
        Self::Freeze,
        Self::JumpForwards,
        Self::JumpBackwards,
        Self::Drain,
        Self::Edit,
        Self::Pause,
    ];
}

/// How often each fault fired.
pub(crate) type Counts = BTreeMap<Fault, u64>;

/// An object of the bucket.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    pub(crate) written: Timestamp,
}

/// The bucket, true time, and chance.
pub(crate) struct World {
    begun: Instant,
    start: Timestamp,
    pub(crate) random: Mutex<Random>,
    pub(crate) objects: Mutex<BTreeMap<String, Object>>,
    counts: Mutex<Counts>,
    calm: AtomicBool,
    faultless: bool,
}

impl World {
    pub(crate) fn new(seed: u64, start: Timestamp) -> Self {
        Self {
            begun: Instant::now(),
            start,
            random: Mutex::new(Random::new(seed)),
            objects: Mutex::default(),
            counts: Mutex::default(),
            calm: AtomicBool::new(false),
            faultless: false,
        }
    }

    /// A world in which nothing goes wrong by chance.
    pub(crate) fn faultless(start: Timestamp) -> Self {
        Self { faultless: true, ..Self::new(1, start) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.start + SignedDuration::try_from(self.begun.elapsed()).unwrap()
    }

    /// From here on, nothing goes wrong any more.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// The fault that befalls an operation, if one does: one of these, once in so many times.
    pub(crate) fn deal(&self, faults: &[(Fault, u64)]) -> Option<Fault> {
        if self.faultless || self.is_calm() {
            return None;
        }
        let mut random = self.random.lock().unwrap();
        faults.iter().find(|(_, times)| random.one_in(*times)).map(|(fault, _)| *fault)
    }

    pub(crate) fn count(&self, fault: Fault) {
        *self.counts.lock().unwrap().entry(fault).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().unwrap().clone()
    }

    pub(crate) fn seconds(&self, from: u64, to: u64) -> Duration {
        self.random.lock().unwrap().seconds(from, to)
    }

    /// Writes an object, in place of what is there or only where nothing is; says whether it did.
    pub(crate) fn put(&self, path: &str, bytes: &Bytes, create: bool) -> bool {
        let mut objects = self.objects.lock().unwrap();
        if create && objects.contains_key(path) {
            return false;
        }
        objects.insert(path.to_owned(), Object { bytes: bytes.clone(), written: self.now() });
        true
    }
}
