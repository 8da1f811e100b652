//! `pipeline.yaml` as its author wrote it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_yaml::Spanned;

use crate::definition::pipeline::OnFailure;

mod condition;
mod schedule;

pub use condition::WhenSpec;
pub use schedule::{CatchupLimitsSpec, CatchupSpec, ScheduleSpec, SchedulesSpec};

/// A pipeline: `pipelines/<pipeline>/pipeline.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tranche pipeline")]
pub struct PipelineSpec {
    /// The edition of this format: 1.
    #[schemars(with = "u32")]
    pub version: Spanned<u32>,
    /// The pipeline's name; its folder has the same.
    #[schemars(with = "String")]
    pub pipeline: Spanned<String>,
    /// What the pipeline is for.
    #[serde(default)]
    pub description: Option<String>,
    /// When it runs by itself: one schedule or a list; without it, on request only.
    #[serde(default)]
    #[schemars(with = "Option<SchedulesSpec>")]
    pub schedule: Option<Spanned<SchedulesSpec>>,
    /// How many of its slots may run at the same time (default 1).
    #[serde(default)]
    #[schemars(with = "Option<u32>")]
    pub concurrency: Option<Spanned<u32>>,
    /// Its steps.
    #[schemars(with = "Vec<StepSpec>")]
    pub steps: Spanned<Vec<Spanned<StepSpec>>>,
}

/// One step: an id, one action, and how it is run. Which actions there are is not known here but to the caller of
/// [`PipelineSpec::validate`], so every other key is kept as it stands.
#[derive(Debug, Default)]
pub struct StepSpec {
    /// The step's id.
    pub id: Option<Spanned<String>>,
    /// The keys that are none of the others, with their values: one action, when the step is sound.
    pub actions: Vec<(Spanned<String>, Spanned<TargetsSpec>)>,
    /// The steps that must be done before this one.
    pub needs: Vec<Spanned<String>>,
    /// How often and how soon a failed attempt is repeated.
    pub retries: Option<RetriesSpec>,
    /// How long one attempt may take, such as `20m`.
    pub timeout: Option<Spanned<String>>,
    /// Whether the steps that need it run when it fails (default stop).
    pub on_failure: OnFailure,
    /// The conditions under which it is run.
    pub when: Option<WhenSpec>,
}

/// The value of a step's action.
#[derive(Debug)]
pub enum TargetsSpec {
    /// A single word, which should be `all`.
    Word(String),
    /// A list of names.
    Names(Vec<Spanned<String>>),
    /// Something else, which is a problem.
    Other,
}

/// `retries:` of a step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetriesSpec {
    /// How many more attempts there are after the first.
    pub max: u32,
    /// The pause before the first of them, such as `30s`; it doubles from one to the next (default 30s).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub backoff: Option<Spanned<String>>,
    /// By which share of itself a pause may be longer, so that not all come back at once, such as 0.25 (default 0.1).
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub jitter: Option<Spanned<f64>>,
}

impl<'de> Deserialize<'de> for StepSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StepVisitor;
        impl<'de> Visitor<'de> for StepVisitor {
            type Value = StepSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step such as {id: load, ingest: all}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut step = StepSpec::default();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    match key.value.as_str() {
                        "id" => step.id = map.next_value()?,
                        "needs" => step.needs = map.next_value()?,
                        "retries" => step.retries = map.next_value()?,
                        "timeout" => step.timeout = map.next_value()?,
                        "on_failure" => step.on_failure = map.next_value()?,
                        "when" => step.when = map.next_value()?,
                        _ => step.actions.push((key, map.next_value()?)),
                    }
                }
                Ok(step)
            }
        }
        deserializer.deserialize_map(StepVisitor)
    }
}

impl<'de> Deserialize<'de> for TargetsSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TargetsVisitor;
        impl<'de> Visitor<'de> for TargetsVisitor {
            type Value = TargetsSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`all` or a list of names")
            }

            fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
                Ok(TargetsSpec::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(TargetsSpec::Names(names))
            }

            // A misspelt `retries:` holds a map: it is read to its end, so that its key can be reported.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(TargetsSpec::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(TargetsSpec::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(TargetsSpec::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(TargetsSpec::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(TargetsSpec::Other)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(TargetsSpec::Other)
            }
        }
        deserializer.deserialize_any(TargetsVisitor)
    }
}

/// Written by hand: the keys of a step depend on the actions, and an editor should complete exactly one of them.
impl JsonSchema for StepSpec {
    fn schema_name() -> Cow<'static, str> {
        "StepSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let retries = generator.subschema_for::<RetriesSpec>();
        let on_failure = generator.subschema_for::<OnFailure>();
        let when = generator.subschema_for::<WhenSpec>();
        let targets = |description: &str| {
            json_schema!({
                "description": description,
                "oneOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
            })
        };
        json_schema!({
            "description": "One step: an id, one action, and how it is run.",
            "type": "object",
            "properties": {
                "id": {"description": "The step's id.", "type": "string"},
                "ingest": targets("Reads sources into their tables: `all`, or a list of sources."),
                "refresh": targets("Computes traits and segments: `all`, or a list of segments."),
                "measure": targets("Measures experiments: `all`, or a list of experiments."),
                "report": targets("Writes reports: `all`, or a list of reports."),
                "maintain": {
                    "description": "Merges small files, and removes what neither a run nor `retention` needs any more.",
                    "const": "all",
                },
                "needs": {
                    "description": "The steps that must be done before this one.",
                    "type": "array",
                    "items": {"type": "string"},
                },
                "retries": retries,
                "on_failure": on_failure,
                "when": when,
                "timeout": {"description": "How long one attempt may take, such as `20m`.", "type": "string"},
            },
            "required": ["id"],
            "oneOf": [
                {"required": ["ingest"]}, {"required": ["refresh"]}, {"required": ["measure"]}, {"required": ["report"]},
                {"required": ["maintain"]},
            ],
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_schema_offers_each_action_and_denies_the_rest() {
        let schema = serde_json::to_value(schemars::schema_for!(PipelineSpec)).unwrap();
        let step = &schema["$defs"]["StepSpec"];
        let keys = [
            "id",
            "ingest",
            "refresh",
            "measure",
            "report",
            "maintain",
            "needs",
            "retries",
            "timeout",
            "on_failure",
            "when",
        ];
        for key in keys {
            assert!(step["properties"].get(key).is_some(), "{key}: {step}");
        }
        assert_eq!(step["oneOf"].as_array().map(Vec::len), Some(5));
        assert_eq!(step["additionalProperties"], false);
        assert_eq!(schema["additionalProperties"], false);
        assert!(schema["$defs"].get("RetriesSpec").is_some(), "{schema}");
    }

    #[test]
    fn an_actions_key_and_targets_keep_their_positions() {
        let step: StepSpec =
            serde_yaml::from_str("id: load\ningest: [customers, orders]\ntimeout: 20m\n").unwrap();
        let (key, targets) = &step.actions[0];
        assert_eq!((key.value.as_str(), key.referenced.line(), key.referenced.column()), ("ingest", 2, 1));
        let TargetsSpec::Names(names) = &targets.value else { panic!("{targets:?}") };
        let at: Vec<_> = names.iter().map(|n| (n.value.as_str(), n.referenced.column())).collect();
        assert_eq!(at, [("customers", 10), ("orders", 21)]);
    }
}
