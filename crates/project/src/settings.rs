//! `tranche.yaml`: where the lake is, the project's time zone, and defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_yaml::Spanned;

use crate::duration;
use crate::limits::{Limits, LimitsSpec};
use crate::memory_limit::MemoryLimit;
use crate::named::check_version;
use crate::problems::Problems;
use crate::sections::Sections;
use crate::source_file::SourceFile;
use crate::texts;

/// `tranche.yaml`, as its author wrote it, but for the [`Sections`] of other crates.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Tranche project", deny_unknown_fields)]
pub struct SettingsSpec {
    /// The edition of this format: 1.
    #[schemars(with = "u32")]
    pub version: Spanned<u32>,
    /// Where the lake is: a folder relative to the project, or s3://, gs://, az://, memory://.
    #[serde(default)]
    pub lake: Option<String>,
    /// The zone of dates without one, such as `--as-of 2024-03-01` (default UTC).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub timezone: Option<Spanned<String>>,
    /// Memory for queries, such as `4 GiB` or `50%` of the machine's (default half of it); beyond it queries spill to disk.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub memory: Option<Spanned<String>>,
    /// Options of the object store, such as `aws_region` and `aws_endpoint`. Credentials belong into the environment.
    #[serde(default)]
    pub storage: BTreeMap<String, String>,
    /// Defaults of the steps of pipelines.
    #[serde(default)]
    pub defaults: DefaultsSpec,
    /// How long steps `maintain: all` keep old versions and runs.
    #[serde(default)]
    pub retention: RetentionSpec,
    /// How large what people and raw files bring may be.
    #[serde(default)]
    pub limits: LimitsSpec,
}

/// `defaults:` of `tranche.yaml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefaultsSpec {
    /// How often a failing step is tried again.
    #[serde(default)]
    pub retries: Option<u32>,
    /// How long a step may take, such as `20m`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Spanned<String>>,
}

/// `retention:` of `tranche.yaml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionSpec {
    /// How far back the versions of tables can be read, from 1 day to 30 (default 7 days).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub versions: Option<Spanned<String>>,
    /// How long runs that ended stay in the ledger (default 400 days); the last one of each pipeline stays in any case.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub runs: Option<Spanned<String>>,
}

/// How long maintenance keeps old versions and runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How far back the versions of tables can be read.
    pub versions: Duration,
    /// How long runs that ended stay in the ledger.
    pub runs: Duration,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Retention {
    fn default() -> Self {
        Self { versions: 7 * DAY, runs: 400 * DAY }
    }
}

impl RetentionSpec {
    fn validate(&self, file: &SourceFile, problems: &mut Problems) -> Retention {
        let mut retention = Retention::default();
        let mut read = |text: &Option<Spanned<String>>, into: &mut Duration, longest: Option<Duration>| {
            let Some(text) = text else { return };
            match duration::parse(&text.value) {
                Ok(found) if found < DAY => {
                    problems.report(file, text.referenced, "a run may take a day: keep at least `1 day`")
                }
                Ok(found) if longest.is_some_and(|longest| found > longest) => {
                    problems.report(
                        file,
                        text.referenced,
                        "the logs of tables go back 30 days: keep at most `30 days`",
                    );
                }
                Ok(found) => *into = found,
                Err(message) => problems.report(file, text.referenced, message),
            }
        };
        read(&self.versions, &mut retention.versions, Some(30 * DAY));
        read(&self.runs, &mut retention.runs, None);
        retention
    }
}

/// A project's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the lake is, as written; `None` where `tranche.yaml` cannot be read, and nobody knows.
    pub lake: Option<String>,
    /// The zone of dates without one.
    pub timezone: TimeZone,
    /// Memory for queries; `None` for half of the machine's.
    pub memory: Option<MemoryLimit>,
    /// Options of the object store.
    pub storage: BTreeMap<String, String>,
    /// Defaults of steps.
    pub defaults: StepDefaults,
    /// How long maintenance keeps old versions and runs.
    pub retention: Retention,
    /// How large what people and raw files bring may be.
    pub limits: Limits,
    /// The keys that are read by other crates.
    pub sections: Sections,
}

/// Defaults of the steps of pipelines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepDefaults {
    /// How often a failing step is tried again.
    pub retries: u32,
    /// How long a step may take.
    pub timeout: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lake: Some("./lake".to_owned()),
            timezone: TimeZone::UTC,
            memory: None,
            storage: BTreeMap::new(),
            defaults: StepDefaults::default(),
            retention: Retention::default(),
            limits: Limits::default(),
            sections: Sections::default(),
        }
    }
}

impl Settings {
    /// What is known of settings that cannot be read.
    pub(crate) fn unreadable() -> Self {
        Self { lake: None, ..Self::default() }
    }
}

impl SettingsSpec {
    /// The keys of `tranche.yaml` that are read here.
    pub const KEYS: [&str; 8] =
        ["version", "lake", "timezone", "memory", "storage", "defaults", "retention", "limits"];

    /// The settings that the author means; what cannot be read is reported and takes its default.
    pub fn validate(self, file: &SourceFile, problems: &mut Problems) -> Settings {
        check_version(&self.version, file, problems);
        let sections = Sections::of(file);
        texts::check_options(self.storage.keys(), file, problems);
        let mut settings = Settings { storage: self.storage, sections, ..Settings::default() };
        settings.lake = self.lake.or(settings.lake);
        if let Some(zone) = self.timezone {
            match TimeZone::get(&zone.value) {
                Ok(found) => settings.timezone = found,
                Err(_) => problems.report(file, zone.referenced, unknown_zone(&zone.value)),
            }
        }
        if let Some(memory) = self.memory {
            settings.memory = MemoryLimit::parse(&memory.value);
            if settings.memory.is_none() {
                let message =
                    format!("`{}` is not an amount of memory; write one like `4 GiB` or `50%`", memory.value);
                problems.report(file, memory.referenced, message);
            }
        }
        settings.retention = self.retention.validate(file, problems);
        settings.limits = self.limits.validate(file, problems);
        settings.defaults.retries = self.defaults.retries.unwrap_or(0);
        if let Some(timeout) = self.defaults.timeout {
            match duration::parse(&timeout.value) {
                Ok(limit) => settings.defaults.timeout = Some(limit),
                Err(message) => problems.report(file, timeout.referenced, message),
            }
        }
        settings
    }
}

/// The message for a time zone that does not exist.
#[must_use]
pub fn unknown_zone(name: &str) -> String {
    format!("unknown time zone `{name}`; use an IANA name such as `Europe/Berlin` or `UTC`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_are_read_are_those_of_the_schema() {
        let schema = schemars::schema_for!(SettingsSpec);
        let properties = schema.get("properties").and_then(|found| found.as_object()).unwrap();
        let mut keys: Vec<&str> = properties.keys().map(String::as_str).collect();
        keys.sort_unstable();
        let mut expected = SettingsSpec::KEYS.to_vec();
        expected.sort_unstable();
        assert_eq!(keys, expected);
    }
}
