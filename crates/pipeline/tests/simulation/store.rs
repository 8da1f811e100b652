//! The bucket as one process sees it: every operation may fail, lie, take long, or be the process's last.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use jiff::SignedDuration;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::time::sleep;

use crate::process::Process;
use crate::world::{Fault, Object, World};

/// Ways in which the code could be wrong, to see that the simulation finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Nothing is wrong.
    Sound,
    /// A claim that was answered with a conflict is taken for won, without reading it back.
    ClaimWithoutReadBack,
    /// The log of a run is written without asking whether another process owns it.
    LogWithoutOwner,
    /// A table is committed without looking for the transaction.
    CommitWithoutTransaction,
}

/// The bucket in the hands of a process.
pub(crate) struct SimulatedStore {
    pub(crate) world: Arc<World>,
    pub(crate) process: Arc<Process>,
    pub(crate) broken: Broken,
}

impl fmt::Debug for SimulatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedStore")
    }
}

impl fmt::Display for SimulatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedStore")
    }
}

const BEFORE_ANY: [(Fault, u64); 4] =
    [(Fault::FailBefore, 60), (Fault::Delay, 40), (Fault::KillBefore, 1_500), (Fault::Freeze, 4_000)];
const WRITES: [(Fault, u64); 5] = [
    (Fault::FailAfter, 40),
    (Fault::ConflictAfter, 60),
    (Fault::ConflictBefore, 100),
    (Fault::Late, 200),
    (Fault::KillAfter, 500),
];

fn failure() -> Error {
    Error::Generic { store: "SimulatedStore", source: "503: try again".into() }
}

fn conflict(path: &Path) -> Error {
    Error::AlreadyExists { path: path.to_string(), source: "409: conflict".into() }
}

impl SimulatedStore {
    /// What happens before any operation.
    async fn before(&self) -> Result<()> {
        let world = &self.world;
        sleep(Duration::from_millis(1)).await;
        let Some(fault) = world.deal(&BEFORE_ANY) else { return Ok(()) };
        world.count(fault);
        match fault {
            Fault::FailBefore => return Err(failure()),
            Fault::Delay => sleep(world.seconds(0, 20)).await,
            Fault::KillBefore => self.process.kill().await,
            _ => self.process.freeze(world.seconds(20, 400)).await,
        }
        Ok(())
    }

    fn meta(location: &Path, object: &Object) -> ObjectMeta {
        let written = SystemTime::from(object.written);
        ObjectMeta {
            location: location.clone(),
            last_modified: written.into(),
            size: object.bytes.len() as u64,
            e_tag: None,
            version: None,
        }
    }

    /// The objects under a prefix, without some of those that are new.
    fn listed(&self, prefix: Option<&Path>) -> Vec<ObjectMeta> {
        let world = &self.world;
        let prefix = prefix.map_or_else(String::new, |prefix| format!("{prefix}/"));
        let stale = world.deal(&[(Fault::StaleList, 8)]).is_some();
        let recent = world.now() - SignedDuration::from_secs(30);
        let objects = world.objects.lock().unwrap();
        let under = objects.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let (seen, unseen): (Vec<_>, Vec<_>) =
            under.partition(|(_, object)| !stale || object.written < recent);
        if !unseen.is_empty() {
            world.count(Fault::StaleList);
        }
        seen.into_iter().map(|(path, object)| Self::meta(&Path::from(path.as_str()), object)).collect()
    }
}

#[async_trait::async_trait]
impl ObjectStore for SimulatedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.before().await?;
        let (world, path, bytes) = (&self.world, location.to_string(), Bytes::from(payload));
        let mut create = opts.mode == PutMode::Create;
        if self.broken == Broken::LogWithoutOwner && path.starts_with("_sys/runs/") {
            create = false;
        }
        let done = Ok(PutResult { e_tag: None, version: None });
        let fault = world
            .deal(&WRITES)
            .filter(|fault| create || !matches!(fault, Fault::ConflictAfter | Fault::ConflictBefore));
        if let Some(fault) = fault {
            world.count(fault);
        }
        let result = match fault {
            Some(Fault::ConflictBefore) => Err(conflict(location)),
            Some(Fault::Late) => {
                let (world, wait) = (Arc::clone(world), world.seconds(1, 60));
                tokio::spawn(async move {
                    sleep(wait).await;
                    world.put(&path, &bytes, create);
                });
                Err(failure())
            }
            fault => {
                let written = world.put(&path, &bytes, create);
                match fault {
                    Some(Fault::FailAfter) => Err(failure()),
                    Some(Fault::ConflictAfter) => Err(conflict(location)),
                    Some(Fault::KillAfter) => {
                        self.process.kill().await;
                        done
                    }
                    _ if written => done,
                    _ => Err(conflict(location)),
                }
            }
        };
        match result {
            Err(Error::AlreadyExists { .. })
                if self.broken == Broken::ClaimWithoutReadBack
                    && location.as_ref().starts_with("_sys/slots/") =>
            {
                Ok(PutResult { e_tag: None, version: None })
            }
            result => result,
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: "multipart".into(), implementer: "SimulatedStore".into() })
    }

    async fn get_opts(&self, location: &Path, _: GetOptions) -> Result<GetResult> {
        self.before().await?;
        let found = self.world.objects.lock().unwrap().get(location.as_ref()).cloned();
        let Some(object) = found else {
            return Err(Error::NotFound { path: location.to_string(), source: "404".into() });
        };
        let (meta, size) = (Self::meta(location, &object), object.bytes.len() as u64);
        let payload = GetResultPayload::Stream(stream::once(async move { Ok(object.bytes) }).boxed());
        Ok(GetResult { payload, meta, range: 0..size, attributes: object_store::Attributes::default() })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let world = Arc::clone(&self.world);
        let delete = move |location: Result<Path>| {
            let location = location?;
            world.objects.lock().unwrap().remove(location.as_ref());
            Ok(location)
        };
        locations.map(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::iter(self.listed(prefix).into_iter().map(Ok)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.before().await?;
        let root = prefix.cloned().unwrap_or_default();
        let folder =
            |object: &ObjectMeta| Some(root.clone().join(object.location.prefix_match(&root)?.next()?));
        let folders: BTreeSet<Path> = self.listed(prefix).iter().filter_map(folder).collect();
        Ok(ListResult { common_prefixes: folders.into_iter().collect(), objects: Vec::new() })
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(Error::NotImplemented { operation: "copy".into(), implementer: "SimulatedStore".into() })
    }
}
