//! `options:` of a source, as its author wrote it.

use schemars::JsonSchema;
use serde::Deserialize;
use tranche_project::Spanned;

/// `options:` of a source.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptionsSpec {
    /// CSV: the character between fields (default `,`).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub delimiter: Option<Spanned<String>>,
    /// CSV: the character around fields (default `"`).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub quote: Option<Spanned<String>>,
    /// CSV: texts that mean null, besides the empty one.
    #[serde(default)]
    pub nulls: Vec<String>,
}
