//! A lake with one table, and a bucket with raw files beside it.

use std::collections::BTreeMap;
use std::path::Path as Folder;

use arrow::array::RecordBatch;
use jiff::Timestamp;
use tranche_ingest::{Formats, LoadContext, LoadReport, Source, SourceSpec, load};
use tranche_project::{Limits, Problems, SourceFile, yaml};
use tranche_schema::{Contract, ContractSpec, layout};
use tranche_sql::{Engine, EngineOptions, Session};
use tranche_store::commit::Transaction;
use tranche_store::object_store::ObjectStoreExt;
use tranche_store::object_store::path::Path;
use tranche_store::objects::Matching;
use tranche_store::{Commit, CommitMode, Lake, Storage};

/// So few bytes that rejects go to a file.
const REJECTS_IN_MEMORY: u64 = 100;

/// When loads are that do not say when.
const AS_OF: &str = "2026-10-01T00:00:00Z";

/// A lake, and a bucket `raw` beside it.
pub(crate) struct Place {
    pub(crate) storage: Storage,
    pub(crate) lake: Lake,
    pub(crate) contract: Contract,
    engine: Engine,
}

impl Place {
    pub(crate) fn new(contract: &str) -> Self {
        let storage = Storage::new(BTreeMap::new());
        let lake = Lake::open(&storage, "memory://lake/", Folder::new("/")).unwrap();
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: 2 };
        Self { storage, lake, engine: Engine::new(&options).unwrap(), contract: self::contract(contract) }
    }

    /// Marks a file as loaded in the way of before contents were known and files numbered, with these rows.
    pub(crate) async fn commit_unnumbered(&self, source: &str, path: &str, rows: Vec<RecordBatch>) {
        let raw = Matching::new(&self.storage, path, Folder::new("/")).unwrap();
        let edition = raw.objects().await.unwrap()[0].edition.clone();
        let mark = blake3::hash(format!("{path}\n{edition}").as_bytes()).to_hex();
        let rows = self.session().frame(self.contract.arrow_schema(), rows).unwrap();
        let folder = layout::TABLES.of(&self.contract.table);
        let mut commit = Commit::new(&folder, "before", CommitMode::Append, rows.logical_plan().clone());
        commit.transactions.push(Transaction::new(format!("file/{source}/{mark}"), 1));
        let _ = self.lake.commit(self.session().shared_state(), commit).await.unwrap();
    }

    pub(crate) async fn put(&self, path: &str, text: impl Into<String>) {
        let raw = self.storage.resolve("memory://raw/", Folder::new("/")).unwrap();
        raw.store.put(&Path::from(path), text.into().into()).await.unwrap();
    }

    pub(crate) async fn delete(&self, path: &str) {
        let raw = self.storage.resolve("memory://raw/", Folder::new("/")).unwrap();
        raw.store.delete(&Path::from(path)).await.unwrap();
    }

    pub(crate) fn session(&self) -> Session {
        self.session_at(AS_OF.parse().unwrap())
    }

    fn session_at(&self, as_of: Timestamp) -> Session {
        self.engine.session(as_of)
    }

    pub(crate) async fn load(&self, source: &Source, transaction: &str) -> LoadReport {
        self.load_at(source, transaction, AS_OF.parse().unwrap()).await
    }

    pub(crate) async fn load_at(&self, source: &Source, transaction: &str, as_of: Timestamp) -> LoadReport {
        let context = LoadContext {
            lake: &self.lake,
            storage: &self.storage,
            project_folder: Folder::new("/"),
            session: &self.session_at(as_of),
            run_id: "run",
            started_at: Timestamp::UNIX_EPOCH,
            transaction,
            limits: &Limits { rejects_in_memory: REJECTS_IN_MEMORY, ..Limits::default() },
            progress: &|_, _| {},
        };
        load(source, &self.contract, &context).await.unwrap()
    }

    /// All rows of the table.
    pub(crate) async fn rows(&self) -> Vec<RecordBatch> {
        let folder = layout::TABLES.of(&self.contract.table);
        let snapshot = self.lake.snapshot(&folder).await.unwrap().unwrap();
        let session = self.session();
        let rows = session.read(&snapshot).await.unwrap();
        session.collect_frame(rows).await.unwrap().batches
    }
}

/// A contract that is right.
pub(crate) fn contract(text: &str) -> Contract {
    let file = SourceFile::new("contract.yaml", text);
    let spec: ContractSpec = yaml::read(&file, &mut Problems::default()).unwrap();
    spec.validate(&mut |_, message| panic!("{message}")).unwrap()
}

/// A source in one of these formats.
pub(crate) fn source(text: &str, formats: &Formats) -> Source {
    let (file, mut problems) = (SourceFile::new("source.yaml", text), Problems::default());
    let spec: SourceSpec = yaml::read(&file, &mut problems).unwrap();
    let source = spec.validate(formats, &file, &mut problems);
    assert!(problems.is_empty(), "{:?}", problems.into_sorted());
    source.unwrap()
}
