//! A shop with an experiment and a report, over a lake in memory.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tranche_faults::{FailingStore, Failure};
use tranche_project::Project;
use tranche_workspace::{Actions, Place, Tranche};
use url::Url;

use crate::shop::DEFINITIONS;

/// The project with its raw files.
pub(crate) struct Fixture {
    pub(crate) tranche: Tranche,
    pub(crate) storage: Arc<FailingStore>,
    _folder: tempfile::TempDir,
}

const LAKE: &str = "memory://lake/shop";

impl Fixture {
    /// The project with this pipeline, whose steps may name these actions.
    pub(crate) fn new(pipeline: &str, actions: Actions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        RAW.iter().for_each(|(path, text)| write(folder.path(), path, text));
        let files = [("tranche.yaml", format!("version: 1\nlake: {LAKE}\n").as_str())]
            .into_iter()
            .chain([("pipelines/shop/pipeline.yaml", pipeline)])
            .chain(DEFINITIONS)
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .collect::<Vec<_>>();
        let place = Place { folder: folder.path().to_owned(), lake: None };
        let tranche = Tranche::with_project(&place, Project::from_files(files), actions).unwrap();
        let storage = FailingStore::new(Failure::Before);
        tranche.storage.register(&Url::parse(LAKE).unwrap(), storage.objects());
        Self { tranche, storage, _folder: folder }
    }

    /// The instant at which the tests look.
    pub(crate) fn as_of(&self) -> Timestamp {
        "2026-10-01T00:00:00Z".parse().unwrap()
    }
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

const RAW: [(&str, &str); 4] = [
    ("data/people.csv", "person_id,country\np1,DE\np2,DE\np3,FR\np4,FR\n"),
    (
        "data/exposures.csv",
        "person_id,arm,seen_at\np1,a,2026-09-01T10:00:00Z\np2,b,2026-09-01T11:00:00Z\n\
         p3,a,2026-09-02T10:00:00Z\np4,b,2026-09-02T11:00:00Z\n",
    ),
    (
        "data/purchases.csv",
        "purchase_id,person_id,bought_at,amount\n1,p1,2026-09-03T10:00:00Z,10.00\n\
         2,p2,2026-09-04T10:00:00Z,20.00\n3,p4,2026-09-05T10:00:00Z,5.50\nx,p4,no day,1.00\n",
    ),
    ("data/logins.csv", "login_id,person_id,at\n1,p1,2026-08-01T10:00:00Z\n2,p2,2026-08-02T10:00:00Z\n"),
];
