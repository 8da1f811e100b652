//! The facets of OpenLineage by which runs, jobs and datasets are described here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// Who made a facet or an event: the URL of this version of the program.
pub(super) const PRODUCER: &str = concat!("https://docs.rs/tranche/", env!("CARGO_PKG_VERSION"));

/// Facets by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Facets(BTreeMap<&'static str, Value>);

/// A dataset that is read or written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dataset {
    namespace: String,
    name: String,
    facets: Facets,
}

/// A column of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
}

/// A column that another is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct InputField {
    namespace: String,
    name: String,
    field: String,
}

impl Field {
    /// A column and its type.
    #[must_use]
    pub fn new(name: &str, data_type: impl ToString) -> Self {
        Self { name: name.to_owned(), data_type: data_type.to_string() }
    }
}

impl InputField {
    /// A column of a dataset.
    #[must_use]
    pub fn new(namespace: &str, dataset: &str, field: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: dataset.to_owned(), field: field.to_owned() }
    }
}

impl Dataset {
    /// Its name within its namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The dataset `name` of a lake or a bucket.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned(), facets: Facets::default() }
    }

    /// With its columns.
    #[must_use]
    pub fn with_schema(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        let fields: Vec<Field> = fields.into_iter().collect();
        self.facets.add(
            "schema",
            "1-2-0/SchemaDatasetFacet.json",
            "SchemaDatasetFacet",
            json!({"fields": fields}),
        );
        self
    }

    /// With the origins of its columns, where they are known.
    #[must_use]
    pub fn with_columns(mut self, columns: impl IntoIterator<Item = (String, Vec<InputField>)>) -> Self {
        let fields: BTreeMap<String, Value> =
            columns.into_iter().map(|(column, inputs)| (column, json!({"inputFields": inputs}))).collect();
        if !fields.is_empty() {
            let facet = json!({"fields": fields});
            self.facets.add(
                "columnLineage",
                "1-2-0/ColumnLineageDatasetFacet.json",
                "ColumnLineageDatasetFacet",
                facet,
            );
        }
        self
    }
}

impl Facets {
    fn add(&mut self, name: &'static str, file: &str, definition: &str, mut facet: Value) {
        facet["_producer"] = json!(PRODUCER);
        facet["_schemaURL"] = json!(format!("https://openlineage.io/spec/facets/{file}#/$defs/{definition}"));
        self.0.insert(name, facet);
    }

    pub(super) fn job_type(is_step: bool) -> Self {
        let mut facets = Self::default();
        let kind = if is_step { "STEP" } else { "PIPELINE" };
        let facet = json!({"processingType": "BATCH", "integration": "TRANCHE", "jobType": kind});
        facets.add("jobType", "2-0-4/JobTypeJobFacet.json", "JobTypeJobFacet", facet);
        facets
    }

    pub(super) fn nominal_time(&mut self, as_of: Timestamp) {
        let facet = json!({"nominalStartTime": as_of});
        self.add("nominalTime", "1-0-1/NominalTimeRunFacet.json", "NominalTimeRunFacet", facet);
    }

    pub(super) fn parent(&mut self, run_id: &str, namespace: &str, job: &str) {
        let facet = json!({"run": {"runId": run_id}, "job": {"namespace": namespace, "name": job}});
        self.add("parent", "1-2-0/ParentRunFacet.json", "ParentRunFacet", facet);
    }

    pub(super) fn error(&mut self, message: &str) {
        let facet = json!({"message": message, "programmingLanguage": "SQL"});
        self.add("errorMessage", "1-0-1/ErrorMessageRunFacet.json", "ErrorMessageRunFacet", facet);
    }
}
