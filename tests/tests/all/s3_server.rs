//! An S3 server inside the test process: buckets are folders of a temporary directory, the door is a port of the loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tranche_tests::Sandbox;

/// The key that the server knows, and its secret.
const ACCESS_KEY: &str = "tester";
pub(crate) const SECRET_KEY: &str = "not-much-of-a-secret";

/// A running server; it ends when dropped.
#[derive(Debug)]
pub(crate) struct S3Server {
    folder: TempDir,
    address: SocketAddr,
    written: Arc<Mutex<Vec<Written>>>,
    faults: Arc<Faults>,
    _runtime: Runtime,
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is done, and the answer says that the server failed.
    Refused,
    /// It is done, and the answer says that the server failed.
    Belied,
    /// Nothing is done, and the connection ends without an answer.
    Dropped,
    /// It is done, and the connection ends without an answer.
    Lost,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Refused, Self::Belied, Self::Dropped, Self::Lost];

    fn is_done(self) -> bool {
        matches!(self, Self::Belied | Self::Lost)
    }
}

/// The requests that were made, and those of them that fail.
#[derive(Debug, Default)]
struct Faults {
    requests: AtomicU64,
    failing: Mutex<Option<(std::ops::Range<u64>, Fault)>>,
}

impl Faults {
    /// How the next request fails, if it does.
    fn next(&self) -> Option<Fault> {
        let request = self.requests.fetch_add(1, Ordering::SeqCst);
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.as_ref().filter(|(requests, _)| requests.contains(&request)).map(|(_, fault)| *fault)
    }
}

/// An object that a client asked the server to write.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// Bucket and key.
    pub(crate) path: String,
    /// Whether it was to be written only if there was none of that name.
    pub(crate) create_only: bool,
}

impl S3Server {
    /// A server with these buckets.
    pub(crate) fn start(buckets: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for bucket in buckets {
            std::fs::create_dir(folder.path().join(bucket)).unwrap();
        }
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (written, faults): (_, Arc<Faults>) = Default::default();
        let (buckets, keys) = (buckets.iter().map(|bucket| (*bucket).to_owned()).collect(), Mutex::default());
        let door = Arc::new(Door {
            service: service.build(),
            buckets,
            keys,
            written: Arc::clone(&written),
            faults: Arc::clone(&faults),
        });
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let door = Arc::clone(&door);
                // Or small answers wait for a client that is slow to acknowledge.
                let _ = socket.set_nodelay(true);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&door), request));
                    // A client that hangs up is no concern of the server.
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        Self { folder, address, written, faults, _runtime: runtime }
    }

    /// The folder that is a bucket.
    pub(crate) fn bucket(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// All objects that were to be written so far.
    pub(crate) fn written(&self) -> Vec<Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts the files below a folder into a bucket, under the same paths.
    pub(crate) fn upload(&self, folder: &Path, bucket: &str) {
        let target = self.bucket(bucket);
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let (from, to) = (entry.path(), target.join(entry.file_name()));
            if from.is_dir() {
                std::fs::create_dir_all(&to).unwrap();
                self.upload(&from, to.strip_prefix(self.folder.path()).unwrap().to_str().unwrap());
            } else {
                std::fs::copy(from, to).unwrap();
            }
        }
    }
}

/// Lets the program find an S3 server at this address.
pub(crate) fn point_at(sandbox: &mut Sandbox, address: SocketAddr, secret: &str) {
    sandbox.set("AWS_ENDPOINT", &format!("http://{address}"));
    sandbox.set("AWS_ALLOW_HTTP", "true");
    sandbox.set("AWS_REGION", "eu-central-1");
    sandbox.set("AWS_ACCESS_KEY_ID", ACCESS_KEY);
    sandbox.set("AWS_SECRET_ACCESS_KEY", secret);
}

impl S3Server {
    /// How many requests were made.
    pub(crate) fn requests(&self) -> u64 {
        self.faults.requests.load(Ordering::SeqCst)
    }

    /// Lets requests fail, by their numbers from now on.
    pub(crate) fn fail(&self, requests: std::ops::Range<u64>, fault: Fault) {
        let now = self.requests();
        let requests = now + requests.start..now + requests.end;
        *self.faults.failing.lock().unwrap_or_else(PoisonError::into_inner) = Some((requests, fault));
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What stands before the service.
struct Door {
    service: S3Service,
    /// The service would make a bucket of any name that is written to.
    buckets: Vec<String>,
    /// The service looks whether an object exists, and writes it later: who may only create has to wait for others at the same key.
    keys: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    written: Arc<Mutex<Vec<Written>>>,
    faults: Arc<Faults>,
}

/// An error ends the connection.
async fn answer(door: Arc<Door>, request: Request<Incoming>) -> std::io::Result<s3s::HttpResponse> {
    let fault = door.faults.next();
    let answered = match fault {
        Some(fault) if !fault.is_done() => None,
        _ => Some(done(&door, request).await),
    };
    match fault {
        Some(Fault::Dropped | Fault::Lost) => Err(std::io::Error::other("the line is dead")),
        Some(Fault::Refused | Fault::Belied) => Ok(failed(StatusCode::INTERNAL_SERVER_ERROR, "")),
        None => Ok(answered.unwrap_or_else(|| failed(StatusCode::INTERNAL_SERVER_ERROR, ""))),
    }
}

async fn done(door: &Door, request: Request<Incoming>) -> s3s::HttpResponse {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    if !door.buckets.iter().any(|bucket| path.split('/').next() == Some(bucket)) {
        let body =
            "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";
        return failed(StatusCode::NOT_FOUND, body);
    }
    let create_only = request.headers().contains_key("if-none-match");
    let _alone = match *request.method() == Method::PUT {
        false => None,
        true => {
            door.written
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Written { path: path.clone(), create_only });
            let key =
                Arc::clone(door.keys.lock().unwrap_or_else(PoisonError::into_inner).entry(path).or_default());
            Some(key.lock_owned().await)
        }
    };
    let answered = door.service.call(request.map(s3s::Body::from)).await;
    answered.unwrap_or_else(|_| failed(StatusCode::INTERNAL_SERVER_ERROR, ""))
}

fn failed(status: StatusCode, body: &str) -> s3s::HttpResponse {
    let mut response = s3s::HttpResponse::new(s3s::Body::from(body.to_owned()));
    *response.status_mut() = status;
    response
}
