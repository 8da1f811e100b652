//! A source: raw files that go into a table.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::json;
use tranche_project::{Location, Problems, SourceFile, Spanned, check_version};
use tranche_schema::parse_raw_type;
use tranche_store::objects::check_pattern;

use crate::read::{Formats, OptionsSpec, Reader};

/// A source, `sources/<source>.yaml`, as its author wrote it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tranche source")]
pub struct SourceSpec {
    /// The edition of this format: 1.
    #[schemars(with = "u32")]
    pub version: Spanned<u32>,
    /// The source's name.
    #[schemars(with = "String")]
    pub source: Spanned<String>,
    /// What it brings, and from where.
    #[serde(default)]
    pub description: Option<String>,
    /// The table contract that its rows must satisfy.
    #[schemars(with = "String")]
    pub into: Spanned<String>,
    /// csv, ndjson or parquet.
    #[schemars(with = "FormatSchema")]
    pub format: Spanned<String>,
    /// Where the files are: a pattern with `*`, `**`, `?`, `[ab]`, `{a,b}`, behind `\` each as it is; a local path is relative to the
    /// project.
    #[schemars(with = "String")]
    pub path: Spanned<String>,
    /// How to read the format.
    #[serde(default)]
    pub options: OptionsSpec,
    /// The types of raw columns, such as `decimal(18,2)`, `list(utf8)` or `struct(os utf8, version int32)`: texts are read as them, and
    /// Parquet files must have them. Without one, a raw column of CSV and NDJSON is text.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub types: IndexMap<String, Spanned<String>>,
    /// SQL over the raw row for each column that is not simply named alike. `_file` and `_row` (1-based) may
    /// be used.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub columns: IndexMap<String, Spanned<String>>,
    /// The policy for rows that break the contract (default: quarantine, at most 1 %).
    #[serde(default)]
    #[schemars(with = "OnRejectSchema")]
    pub on_reject: Option<Spanned<OnRejectSpec>>,
    /// What a file that was written again replaces (default: key).
    #[serde(default)]
    pub replace: Replace,
}

/// `replace:` of a source: what a file that was written again replaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Replace {
    /// The rows with its keys. Rows that it no longer has stay.
    #[default]
    Key,
    /// All that it had brought. Rows that it no longer has are removed.
    File,
}

/// The raw column with the path of the file.
pub(crate) const FILE: &str = "_file";
/// The raw column with the 1-based number of the row.
pub(crate) const ROW: &str = "_row";

/// Formats that a source may come to name, and that nothing reads yet.
const NOT_READ_YET: [&str; 5] = ["avro", "arrow", "postgres", "mysql", "sqlite"];

/// How an editor sees `format:`.
struct FormatSchema;

impl JsonSchema for FormatSchema {
    fn schema_name() -> Cow<'static, str> {
        "FormatSpec".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let formats = Formats::default();
        let read = formats.all().iter().map(|format| (format.name, format.description));
        let all = read.chain(NOT_READ_YET.map(|name| (name, "Not read yet.")));
        let values = all
            .map(|(name, description)| json!({"description": description, "type": "string", "const": name}));
        json_schema!({"description": "`format:` of a source.", "oneOf": values.collect::<Vec<_>>()})
    }
}

/// `on_reject:` of a source: `fail`, or `{quarantine: {max_ratio: 0.01}}`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OnRejectSpec {
    /// One wrong row fails the step.
    Fail,
    /// Wrong rows go to quarantine, up to a share of all.
    Quarantine(QuarantineSpec),
}

/// `quarantine:` of `on_reject`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuarantineSpec {
    /// The largest share of rejected rows, in [0, 1], that still lets the others in.
    #[schemars(with = "f64")]
    pub max_ratio: Spanned<f64>,
}

/// How an editor sees [`OnRejectSpec`].
#[derive(JsonSchema)]
#[serde(transparent)]
#[expect(dead_code, reason = "only its JSON Schema is used")]
struct OnRejectSchema(OnRejectSpec);

/// Raw files that go into a table.
#[derive(Debug, Clone)]
pub struct Source {
    /// The source's name.
    pub name: String,
    /// The table contract that its rows must satisfy.
    pub into: Spanned<String>,
    /// Reads its inputs.
    pub reader: Arc<dyn Reader>,
    /// Where the files are, as written.
    pub path: String,
    /// The types of raw columns, as far as they are declared.
    pub types: IndexMap<String, DeclaredType>,
    /// SQL over the raw row by contract column.
    pub columns: IndexMap<String, Spanned<String>>,
    /// The policy for rows that break the contract.
    pub on_reject: OnReject,
    /// What a file that was written again replaces.
    pub replace: Replace,
}

/// The type of a raw column, and where it is declared.
#[derive(Debug, Clone)]
pub struct DeclaredType {
    /// The type.
    pub data_type: DataType,
    /// Where in its file.
    pub at: Location,
}

/// The policy for rows that break the contract.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OnReject {
    /// One wrong row fails the step.
    Fail,
    /// Wrong rows go to quarantine, as long as their share is at most this ratio in [0, 1].
    Quarantine {
        /// The largest share of rejected rows that still lets the others in.
        max_ratio: f64,
    },
}

impl OnReject {
    /// Whether this many rejects among this many rows still let the others in.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of rows")]
    pub fn allows(self, rejected: u64, rows: u64) -> bool {
        match self {
            Self::Fail => rejected == 0,
            // A share is written in decimals, and 0.29 of 100 is 29.
            Self::Quarantine { max_ratio } => rejected as f64 <= max_ratio * rows as f64 + 1e-9 * rows as f64,
        }
    }
}

impl std::fmt::Display for OnReject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fail => f.write_str("none"),
            Self::Quarantine { max_ratio } => write!(f, "{} %", (max_ratio * 1e8).round() / 1e6),
        }
    }
}

impl SourceSpec {
    /// The source that the author means, in one of `formats`, or `None` when it cannot be used; problems are
    /// reported.
    pub fn validate(self, formats: &Formats, file: &SourceFile, problems: &mut Problems) -> Option<Source> {
        check_version(&self.version, file, problems);
        let reader = self.reader(formats, file, problems);
        let on_reject = match self.on_reject {
            None => OnReject::Quarantine { max_ratio: 0.01 },
            Some(Spanned { value: OnRejectSpec::Fail, .. }) => OnReject::Fail,
            Some(Spanned { value: OnRejectSpec::Quarantine(QuarantineSpec { max_ratio }), .. }) => {
                if !(0.0..=1.0).contains(&max_ratio.value) {
                    problems.report(file, max_ratio.referenced, "max_ratio is a share of rows, from 0 to 1");
                }
                OnReject::Quarantine { max_ratio: max_ratio.value }
            }
        };
        let types = declared_types(self.types, file, problems);
        if let Err(error) = check_pattern(&self.path.value) {
            problems.report(file, self.path.referenced, error.to_string());
        }
        Some(Source {
            name: self.source.value,
            into: self.into,
            reader: reader?,
            path: self.path.value,
            types,
            columns: self.columns,
            on_reject,
            replace: self.replace,
        })
    }

    fn reader(
        &self,
        formats: &Formats,
        file: &SourceFile,
        problems: &mut Problems,
    ) -> Option<Arc<dyn Reader>> {
        let name = self.format.value.as_str();
        if let Some(format) = formats.find(name) {
            let mut report = |at, message| problems.report(file, at, message);
            return Some((format.reader)(&self.options, &mut report));
        }
        let why = if NOT_READ_YET.contains(&name) { "cannot be read yet" } else { "is not known" };
        let message = format!("format `{name}` {why}; use {}", formats.names());
        problems.report(file, self.format.referenced, message);
        None
    }
}

fn declared_types(
    specs: IndexMap<String, Spanned<String>>,
    file: &SourceFile,
    problems: &mut Problems,
) -> IndexMap<String, DeclaredType> {
    let mut types = IndexMap::new();
    for (name, spec) in specs {
        let at = spec.referenced;
        if name == FILE || name == ROW {
            let message = format!("`{name}` is no raw column, and has a type; remove it here");
            problems.report(file, at, message);
            continue;
        }
        // Others may still refer to a column whose type is none: one mistake, one message.
        let data_type = parse_raw_type(&spec.value).unwrap_or_else(|error| {
            problems.report(file, at, error.to_string());
            DataType::Null
        });
        types.insert(name, DeclaredType { data_type, at });
    }
    types
}
