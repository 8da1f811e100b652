//! Posting documents over HTTP.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use url::Url;

use crate::error::ObserveError;

/// How long a receiver may take: only the end of a run waits for it.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How much of a refusal is reported.
const REPORTED_CHARS: usize = 200;

/// A client and the URL that it posts to.
#[derive(Debug, Clone)]
pub(crate) struct Poster {
    client: Client,
    url: Url,
}

impl Poster {
    /// Posts to a URL, which may hold secrets and is never shown whole.
    pub(crate) fn new(url: &str) -> Result<Self, ObserveError> {
        // The text may be a secret, so it is not in the message.
        let url = Url::parse(url).map_err(|error| ObserveError::place("a URL of tranche.yaml", error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ObserveError::place(
                format!("{}://", url.scheme()),
                "only http and https can be posted to",
            ));
        }
        let client = Client::builder().timeout(TIMEOUT).build();
        let client = client.map_err(|error| ObserveError::place(shown(&url), error.without_url()))?;
        Ok(Self { client, url })
    }

    /// The URL without path, query and user, which may be secrets.
    pub(crate) fn place(&self) -> String {
        shown(&self.url)
    }

    /// Posts, and expects an answer of success.
    pub(crate) async fn post(
        &self,
        content_type: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<(), ObserveError> {
        let refused =
            |error: reqwest::Error| ObserveError::refused(self.place(), causes(&error.without_url()));
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, content_type).body(body);
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(|e| ObserveError::place(self.place(), e))?;
            let mut value = HeaderValue::try_from(value).map_err(|e| ObserveError::place(self.place(), e))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(refused)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let answered: String = answer.text().await.unwrap_or_default().chars().take(REPORTED_CHARS).collect();
        Err(ObserveError::refused(self.place(), format!("{status} {answered}")))
    }
}

fn shown(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// An error with all of its causes.
fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
