//! The HTTP client by which traces are exported.

use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::Client;
use tokio::runtime::Runtime;

/// A client for the thread on which the SDK exports. That thread has no runtime of its own, and waits for
/// each request.
#[derive(Debug)]
pub(super) struct CollectorClient {
    client: Client,
    runtime: Runtime,
}

impl CollectorClient {
    pub(super) fn new(timeout: Duration) -> Result<Self, HttpError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Between two requests nothing drives the runtime, so that no connection is kept.
        let client = Client::builder().timeout(timeout).pool_max_idle_per_host(0).build()?;
        Ok(Self { client, runtime })
    }
}

#[async_trait::async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        self.runtime.block_on(async {
            let response = self.client.execute(request).await.map_err(reqwest::Error::without_url)?;
            let mut answer = Response::builder().status(response.status());
            if let Some(headers) = answer.headers_mut() {
                headers.clone_from(response.headers());
            }
            let body = response.bytes().await.map_err(reqwest::Error::without_url)?;
            Ok(answer.body(body)?)
        })
    }
}
