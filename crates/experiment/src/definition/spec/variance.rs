//! `variance:` of estimates, as its author wrote it.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// `variance:` of an experiment or of one of its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarianceSpec {
    /// By a formula.
    Analytic,
    /// Over resamples.
    Bootstrap(BootstrapSpec),
}

/// `bootstrap:` of a variance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BootstrapSpec {
    /// How many resamples are drawn, at least 100 (default 2000).
    pub replicates: Option<u32>,
    /// Where the random numbers begin (default 1).
    pub seed: Option<u64>,
}

/// How an editor sees [`VarianceSpec`].
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its JSON Schema is used")]
pub(super) enum VarianceSchema {
    /// By a formula.
    Analytic,
    /// Over 2000 resamples.
    Bootstrap,
    /// Over resamples.
    #[serde(untagged)]
    With(BootstrapKey),
}

/// `bootstrap` with its own keys.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BootstrapKey {
    /// Over resamples.
    bootstrap: BootstrapSpec,
}

impl<'de> Deserialize<'de> for VarianceSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VarianceVisitor;
        impl<'de> Visitor<'de> for VarianceVisitor {
            type Value = VarianceSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`analytic`, `bootstrap` or {bootstrap: {replicates, seed}}")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                match name {
                    "analytic" => Ok(VarianceSpec::Analytic),
                    "bootstrap" => Ok(VarianceSpec::Bootstrap(BootstrapSpec::default())),
                    other => Err(E::unknown_variant(other, &["analytic", "bootstrap"])),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let key = BootstrapKey::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(VarianceSpec::Bootstrap(key.bootstrap))
            }
        }
        deserializer.deserialize_any(VarianceVisitor)
    }
}
