//! The request for a validation, and its result.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::inference_kind::InferenceKind;

/// The subject of a validation, and its effort.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationRequest {
    /// How often variants are drawn again; at least 1.
    pub iterations: usize,
    /// Where the random numbers begin: the same seed gives the same rows.
    pub seed: u64,
    /// The metrics; all of the experiment when empty.
    pub metrics: Vec<String>,
    /// The inferences; all when empty.
    pub inferences: Vec<InferenceKind>,
}

/// Whether error rates and intervals hold on an experiment's own data.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Validation {
    /// The experiment.
    pub experiment: String,
    /// The instant before which the data lies.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// How often variants were drawn.
    pub iterations: usize,
    /// Where the random numbers began.
    pub seed: u64,
    /// The units that variants were drawn for.
    pub units: usize,
    /// The chance of a false alarm that is promised.
    pub alpha: f64,
    /// The lift that was put into the treatment for rows of `coverage`.
    pub lift: f64,
    /// The chance that the bounds of all rows hold at once.
    pub confidence: f64,
    /// Whether every row that can be judged holds.
    pub holds: bool,
    /// Promised and observed rates.
    pub rows: Vec<ValidationRow>,
}

/// A promised rate, and the observed one.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ValidationRow {
    /// `false_positives`: the difference's interval leaves out 0, at any look. `coverage`: the lift's
    /// interval holds the lift that was put in, at every look. `sample_ratio`, `sequential_sample_ratio`: the
    /// check rejects a split that is as declared.
    pub check: &'static str,
    /// The metric, of the first two.
    pub metric: Option<String>,
    /// The treatment that is compared with control.
    pub variant: Option<String>,
    /// The inference.
    pub inference: Option<&'static str>,
    /// How often each draw is looked at.
    pub looks: usize,
    /// Draws that have an answer.
    pub draws: u64,
    /// Those of them in which it happened.
    pub count: u64,
    /// Their share.
    pub rate: Option<f64>,
    /// The share that is promised, if one is.
    pub expected: Option<f64>,
    /// The relation that the rate should have to `expected`: `equal`, `at_most` or `at_least`.
    pub relation: &'static str,
    /// The bounds of the true rate by the draws: exact ones of a binomial share.
    pub bounds: Option<[f64; 2]>,
    /// Whether the bounds are compatible with `expected`; none where nothing is promised or no draw has an
    /// answer.
    pub holds: Option<bool>,
    /// What a row that does not hold means, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}
