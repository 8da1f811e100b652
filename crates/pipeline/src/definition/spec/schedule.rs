//! `schedule:` of a pipeline as its author wrote it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_yaml::{Location, Spanned};

use crate::schedule::Overlap;

/// One schedule, or a list of them: each with its place in the list.
#[derive(Debug)]
pub struct SchedulesSpec(pub Vec<(Option<Location>, ScheduleSpec)>);

/// One schedule: `cron`, `after` or `on_new_files`, and the policies for slots that cannot be run in time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSpec {
    /// Five fields (minute, hour, day of month, month, day of week), or six with seconds first.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub cron: Option<Spanned<String>>,
    /// The zone of the cron expression (default: the project's).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub timezone: Option<Spanned<String>>,
    /// Pipelines: a slot that all of them have comes when all of them have done it.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub after: Option<Spanned<Vec<Spanned<String>>>>,
    /// A source of this pipeline: a slot comes when it has files that were not there before.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub on_new_files: Option<Spanned<String>>,
    /// Policy for slots that passed while no scheduler was there to run them (default last).
    #[serde(default)]
    #[schemars(with = "Option<CatchupSpec>")]
    pub catchup: Option<Spanned<CatchupSpec>>,
    /// Policy for a slot that comes while earlier ones still run (default skip).
    #[serde(default)]
    pub overlap: Overlap,
    /// Runs are spread over this long after their slots, such as `10m` (default: not at all).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub jitter: Option<Spanned<String>>,
    /// There is no slot before this instant, such as `2026-11-01`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub start: Option<Spanned<String>>,
    /// There is no slot at or after this instant.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub end: Option<Spanned<String>>,
}

/// `catchup:` of a schedule: `none`, `last`, `all`, or `all` with limits.
#[derive(Debug)]
pub enum CatchupSpec {
    /// A word, which must be one of those three.
    Word(String),
    /// `{all: {...}}`
    All(CatchupLimitsSpec),
}

/// Limits of `catchup: {all: ...}`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CatchupLimitsSpec {
    /// At most so many slots, the newest.
    #[serde(default)]
    pub max: Option<u32>,
    /// Only slots that are no older than this, such as `7d`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub window: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for SchedulesSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SchedulesVisitor;
        impl<'de> Visitor<'de> for SchedulesVisitor {
            type Value = Vec<(Option<Location>, ScheduleSpec)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a schedule such as {cron: '0 2 * * *'}, or a list of them")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut schedules = Vec::new();
                while let Some(schedule) = seq.next_element::<Spanned<ScheduleSpec>>()? {
                    schedules.push((Some(schedule.referenced), schedule.value));
                }
                Ok(schedules)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Ok(vec![(None, ScheduleSpec::deserialize(MapAccessDeserializer::new(map))?)])
            }
        }
        deserializer.deserialize_any(SchedulesVisitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for CatchupSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CatchupVisitor;
        impl<'de> Visitor<'de> for CatchupVisitor {
            type Value = CatchupSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`none`, `last`, `all` or {all: {max: 10, window: 7d}}")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(CatchupSpec::Word(word.to_owned()))
            }

            // YAML's other way to write `none`.
            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                self.visit_str("none")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let limits = match map.next_key::<String>()?.as_deref() {
                    Some("all") => map.next_value()?,
                    Some(other) => return Err(de::Error::unknown_field(other, &["all"])),
                    None => return Err(de::Error::missing_field("all")),
                };
                match map.next_key::<String>()? {
                    Some(other) => Err(de::Error::unknown_field(&other, &["all"])),
                    None => Ok(CatchupSpec::All(limits)),
                }
            }
        }
        deserializer.deserialize_any(CatchupVisitor)
    }
}

impl JsonSchema for SchedulesSpec {
    fn schema_name() -> Cow<'static, str> {
        "SchedulesSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let schedule = generator.subschema_for::<ScheduleSpec>();
        json_schema!({"anyOf": [schedule, {"type": "array", "items": schedule}]})
    }
}

impl JsonSchema for CatchupSpec {
    fn schema_name() -> Cow<'static, str> {
        "CatchupSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let limits = generator.subschema_for::<CatchupLimitsSpec>();
        json_schema!({
            "anyOf": [
                {"enum": ["none", "last", "all"]},
                {"type": "object", "properties": {"all": limits}, "required": ["all"], "additionalProperties": false},
            ],
        })
    }
}
