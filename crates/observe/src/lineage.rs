//! Lineage: what runs read and write, in the form of OpenLineage (run events of its specification 2).

mod facets;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use tokio::io::AsyncWriteExt;

use crate::error::ObserveError;
use crate::http::Poster;
use crate::settings::LineageSpec;
use crate::variables::variables;
use facets::PRODUCER;
pub use facets::{Dataset, Facets, Field, InputField};

const SCHEMA_URL: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// The kind of a lineage event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    /// The run of a job begins.
    Start,
    /// The run is done.
    Complete,
    /// The run failed.
    Fail,
}

/// An event of a run of a job.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LineageEvent {
    event_type: EventType,
    event_time: Timestamp,
    run: Run,
    job: Job,
    inputs: Vec<Dataset>,
    outputs: Vec<Dataset>,
    producer: &'static str,
    #[serde(rename = "schemaURL")]
    schema_url: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    run_id: String,
    facets: Facets,
}

#[derive(Debug, Clone, Serialize)]
struct Job {
    namespace: String,
    name: String,
    facets: Facets,
}

impl LineageEvent {
    /// An event of the run `run_id` of a job. The run is a UUID, the job a pipeline or `pipeline.step`.
    #[must_use]
    pub fn new(event_type: EventType, at: Timestamp, run_id: &str, namespace: &str, job: &str) -> Self {
        Self {
            event_type,
            event_time: at,
            run: Run { run_id: hyphenated(run_id), facets: Facets::default() },
            job: Job {
                namespace: namespace.to_owned(),
                name: job.to_owned(),
                facets: Facets::job_type(job.contains('.')),
            },
            inputs: Vec::new(),
            outputs: Vec::new(),
            producer: PRODUCER,
            schema_url: SCHEMA_URL,
        }
    }

    /// With the instant for which the results are true.
    #[must_use]
    pub fn nominal(mut self, as_of: Timestamp) -> Self {
        self.run.facets.nominal_time(as_of);
        self
    }

    /// As a part of a run of another job.
    #[must_use]
    pub fn within(mut self, run_id: &str, job: &str) -> Self {
        self.run.facets.parent(&hyphenated(run_id), &self.job.namespace, job);
        self
    }

    /// With the error.
    #[must_use]
    pub fn failed(mut self, message: &str) -> Self {
        self.run.facets.error(message);
        self
    }

    /// With the datasets that were read and written.
    #[must_use]
    pub fn datasets(mut self, inputs: Vec<Dataset>, outputs: Vec<Dataset>) -> Self {
        self.inputs = inputs;
        self.outputs = outputs;
        self
    }
}

/// The run of a step in a run: a UUID of its own, and the same one for every event of the step.
#[must_use]
pub fn step_run_id(run_id: &str, step: &str) -> String {
    let hash = blake3::hash(format!("{run_id}\n{step}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().hyphenated().to_string()
}

/// A run's id as a UUID is written; one that is no UUID gets one made of it.
fn hyphenated(run_id: &str) -> String {
    uuid::Uuid::try_parse(run_id).map_or_else(|_| step_run_id(run_id, ""), |id| id.hyphenated().to_string())
}

/// The receivers of lineage events.
#[derive(Debug)]
pub struct Lineage {
    namespace: String,
    file: Option<PathBuf>,
    poster: Option<Poster>,
    headers: Vec<(String, String)>,
}

impl Lineage {
    /// The receivers that the settings name; `folder` is the project's, and `value_of` looks up the variables
    /// of the environment.
    ///
    /// # Errors
    /// [`ObserveError::Place`] when nothing can be sent there.
    pub fn new(
        spec: &LineageSpec,
        folder: &std::path::Path,
        value_of: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ObserveError> {
        let wrong = |reason: String| ObserveError::place("lineage", reason);
        let poster = match &spec.url {
            Some(url) => Some(Poster::new(&variables(url, &value_of).map_err(wrong)?)?),
            None => None,
        };
        let mut headers = Vec::new();
        if let Some(name) = &spec.api_key_variable {
            let key = value_of(name)
                .ok_or_else(|| wrong(format!("the environment variable `{name}` is not set")))?;
            headers.push(("authorization".to_owned(), format!("Bearer {key}")));
        }
        let namespace = spec.namespace.clone().unwrap_or_else(|| "tranche".to_owned());
        Ok(Self { namespace, file: spec.file.as_ref().map(|file| folder.join(file)), poster, headers })
    }

    /// The namespace of all jobs of these events.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Sends an event to all receivers. Delivery errors are logged and fail no run.
    pub async fn emit(&self, event: &LineageEvent) {
        let document = match serde_json::to_vec(event) {
            Ok(document) => document,
            Err(error) => return tracing::warn!(%error, "a lineage event cannot be written"),
        };
        if let Some(path) = &self.file
            && let Err(error) = append(path, &document).await
        {
            tracing::warn!(path = %path.display(), %error, "a lineage event was not written");
        }
        if let Some(poster) = &self.poster
            && let Err(error) = poster.post("application/json", &self.headers, document).await
        {
            tracing::warn!("a lineage event was not sent: {error}");
        }
    }
}

/// Adds a line to a file in one write, so that lines of several processes stay whole.
async fn append(path: &std::path::Path, document: &[u8]) -> std::io::Result<()> {
    let mut line = document.to_vec();
    line.push(b'\n');
    let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(path).await?;
    file.write_all(&line).await?;
    file.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_the_form_of_the_specification() {
        let at = "2026-11-01T02:00:00Z".parse().unwrap();
        let run = "0199d2c4a1b27c3d8e4f5a6b7c8d9e0f";
        let output = Dataset::new("file:///lake", "traits/customer")
            .with_schema([Field::new("orders_365d", "Int64")])
            .with_columns([(
                "orders_365d".to_owned(),
                vec![InputField::new("file:///lake", "tables/orders", "order_id")],
            )]);
        let event =
            LineageEvent::new(EventType::Fail, at, &step_run_id(run, "segments"), "tranche", "shop.segments")
                .nominal(at)
                .within(run, "shop")
                .failed("no such file")
                .datasets(vec![Dataset::new("file:///lake", "tables/orders")], vec![output]);
        let event = serde_json::to_value(&event).unwrap();
        assert_eq!(event["eventType"], "FAIL");
        assert_eq!(event["run"]["facets"]["parent"]["run"]["runId"], "0199d2c4-a1b2-7c3d-8e4f-5a6b7c8d9e0f");
        assert_eq!(event["run"]["facets"]["errorMessage"]["message"], "no such file");
        assert_eq!(event["outputs"][0]["facets"]["schema"]["fields"][0]["name"], "orders_365d");
        let column =
            &event["outputs"][0]["facets"]["columnLineage"]["fields"]["orders_365d"]["inputFields"][0];
        assert_eq!(
            (column["name"].as_str(), column["field"].as_str()),
            (Some("tables/orders"), Some("order_id"))
        );
        assert_eq!(step_run_id(run, "segments"), step_run_id(run, "segments"));
        assert_ne!(step_run_id(run, "segments"), step_run_id(run, "load"));
    }
}
