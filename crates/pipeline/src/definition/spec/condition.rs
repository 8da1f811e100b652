//! `when:` of a step as its author wrote it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_yaml::Spanned;

/// `when:` of a step: all of its conditions must hold, or the step is skipped.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhenSpec {
    /// Days of the week on which it is run, such as `[mon, thu]`: those of the run's `as_of` in the project's time zone.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub weekday: Vec<Spanned<String>>,
    /// Days of the month on which it is run, such as `[1, last]`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub day: Vec<Spanned<String>>,
    /// Steps that it needs: it is run when one of them wrote rows.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub rows_of: Vec<Spanned<String>>,
}
