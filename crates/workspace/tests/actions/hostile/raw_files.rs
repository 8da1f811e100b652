//! Raw files: each row is in the table or in quarantine, or the file is refused.

use std::collections::BTreeMap;
use std::path::Path as Folder;
use std::sync::OnceLock;

use jiff::Timestamp;
use tranche_ingest::{Formats, IngestError, LoadContext, Source, SourceSpec, load};
use tranche_project::{Limits, Problems, SourceFile, yaml};
use tranche_schema::{Contract, ContractSpec, layout};
use tranche_sql::{Engine, EngineOptions, Session};
use tranche_store::object_store::ObjectStoreExt;
use tranche_store::object_store::path::Path;
use tranche_store::{Lake, Storage};

use super::block_on;

const CONTRACT: &str = "version: 1
table: sales
kind: event
entity: {buyer: buyer}
key: [id]
event_time: at
columns:
  - {name: id, type: utf8, nullable: false}
  - {name: buyer, type: int64}
  - {name: at, type: 'timestamp(us, UTC)'}
  - {name: day, type: date32}
  - {name: amount, type: 'decimal(12,2)'}
  - {name: ratio, type: float64}
  - {name: gift, type: boolean}
  - {name: tags, type: list(utf8)}
";

pub(super) fn csv(data: &[u8]) {
    let _ = read("csv", "", data);
}

/// Each line that is not blank is a row.
pub(super) fn ndjson(data: &[u8]) {
    let types = "types: {device: 'struct(os utf8, sizes list(float64))'}\n";
    if let Some(rows) = read("ndjson", types, data) {
        let text = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        assert_eq!(rows, lines as u64);
    }
}

pub(super) fn parquet(data: &[u8]) {
    let _ = read("parquet", "", data);
}

/// Loads a file, and looks what became of its rows, of which it returns the number; `None` where the file was refused.
fn read(format: &str, types: &str, data: &[u8]) -> Option<u64> {
    let (source, contract) = definitions(format, types);
    let storage = Storage::new(BTreeMap::new());
    let lake = Lake::open(&storage, "memory://lake/", Folder::new("/")).unwrap();
    let raw = storage.resolve("memory://raw/", Folder::new("/")).unwrap();
    let context = LoadContext {
        lake: &lake,
        storage: &storage,
        project_folder: Folder::new("/"),
        session: session(),
        run_id: "run",
        started_at: Timestamp::UNIX_EPOCH,
        transaction: "first",
        limits: &Limits { expanded_bytes: 1 << 24, row_bytes: 1 << 16, ..Limits::default() },
        progress: &|_, _| {},
    };
    let loaded: Result<_, IngestError> = block_on(async {
        raw.store.put(&Path::from("a"), data.to_vec().into()).await.unwrap();
        load(&source, &contract, &context).await
    });
    let report = match loaded {
        Ok(report) => report,
        Err(error) => {
            assert!(!error.to_string().contains("the reader stopped"), "{error}");
            return None;
        }
    };
    let stored = |folder: String| {
        block_on(async {
            let Some(snapshot) = lake.snapshot(&folder).await.unwrap() else { return 0 };
            let frame = session().read(&snapshot).await.unwrap();
            session().collect_frame(frame).await.unwrap().rows() as u64
        })
    };
    let (written, rejected) = (stored(layout::TABLES.of("sales")), stored(layout::QUARANTINE.of("sales")));
    assert_eq!((written, rejected), (report.written, report.rejected), "{report:?}");
    Some(written + rejected + report.duplicates)
}

fn definitions(format: &str, types: &str) -> (Source, Contract) {
    let text = format!(
        "version: 1\nsource: sales\ninto: sales\nformat: {format}\npath: 'memory://raw/*'\n{types}\
         columns:\n  amount: \"price * quantity\"\n  gift: \"lower(note) = 'gift'\"\n\
         on_reject: {{quarantine: {{max_ratio: 1}}}}\n"
    );
    let (file, mut problems) = (SourceFile::new("sales.yaml", &text), Problems::default());
    let spec: SourceSpec = yaml::read(&file, &mut problems).unwrap();
    let source = spec.validate(&Formats::default(), &file, &mut problems).unwrap();
    let file = SourceFile::new("sales.yaml", CONTRACT);
    let spec: ContractSpec = yaml::read(&file, &mut problems).unwrap();
    let contract = spec.validate(&mut |_, message| panic!("{message}")).unwrap();
    (source, contract)
}

fn session() -> &'static Session {
    static SESSION: OnceLock<Session> = OnceLock::new();
    SESSION.get_or_init(|| {
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: 1 };
        Engine::new(&options).unwrap().session(Timestamp::UNIX_EPOCH)
    })
}
