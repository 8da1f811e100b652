//! The front matter of `traits/*.sql` and `segments/*.sql`, as its author wrote it.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use tranche_project::Spanned;

/// The front matter of a traits file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tranche traits front matter")]
pub struct TraitsSpec {
    /// The name of this group of traits.
    #[schemars(with = "String")]
    pub traits: Spanned<String>,
    /// The entity that they describe.
    #[schemars(with = "String")]
    pub entity: Spanned<String>,
    /// What they mean.
    #[serde(default)]
    pub description: Option<String>,
    /// The person or team that is responsible for them.
    #[serde(default)]
    pub owner: Option<String>,
    /// For grouping in lists.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The value of a trait for entities without a row in the query; null otherwise.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub defaults: IndexMap<String, Spanned<Scalar>>,
}

/// A number, text or truth value.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A truth value.
    Truth(bool),
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => f.write_str(value),
            Self::Truth(value) => value.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl serde::de::Visitor<'_> for ScalarVisitor {
            type Value = Scalar;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, a text, true or false")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Truth(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(value))
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Scalar, E> {
                i64::try_from(value).map(Scalar::Integer).map_err(E::custom)
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Number(value))
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Scalar, E> {
                Err(E::custom("YAML reads this as nothing; put it in quotes if it is a text"))
            }
            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// The front matter of a segment file: one of `segment` and `segment_set` names it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tranche segment front matter")]
pub struct SegmentSpec {
    /// The segment's name; the SQL returns the keys of its members.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub segment: Option<Spanned<String>>,
    /// The name of a set of exclusive segments; the SQL returns (key, label).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub segment_set: Option<Spanned<String>>,
    /// The entity that is segmented.
    #[schemars(with = "String")]
    pub entity: Spanned<String>,
    /// Who is in it, in words.
    #[serde(default)]
    pub description: Option<String>,
    /// The person or team that is responsible for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// For grouping in lists.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What must hold before a refresh is published.
    #[serde(default)]
    #[schemars(with = "Option<ExpectSpec>")]
    pub expect: Option<Spanned<ExpectSpec>>,
    /// Known answers.
    #[serde(default)]
    pub tests: Vec<TestSpec>,
    /// How old its last refresh may be, such as `26h`, before people are notified.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub freshness: Option<Spanned<String>>,
    /// Segments of one group are exclusive: an entity is in the one with the lowest priority number.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub group: Option<Spanned<String>>,
    /// The place within the group, 1 first.
    #[serde(default)]
    #[schemars(with = "Option<u32>")]
    pub priority: Option<Spanned<u32>>,
}

/// `expect:` of a segment.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectSpec {
    /// The fewest members.
    #[serde(default)]
    pub min_size: Option<u64>,
    /// The most members.
    #[serde(default)]
    pub max_size: Option<u64>,
    /// The smallest and largest share of the universe, from 0 to 1.
    #[serde(default)]
    #[schemars(with = "Option<[f64; 2]>")]
    pub share: Option<Spanned<[f64; 2]>>,
    /// The largest share of members, from 0 to 1, that may enter or leave in one refresh.
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub max_turnover: Option<Spanned<f64>>,
    /// Whether it must have a member: `true` always, `false` never; by default a segment that had members must.
    #[serde(default)]
    pub not_empty: Option<bool>,
}

/// A known answer of a segment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestSpec {
    /// The instant.
    #[schemars(with = "String")]
    pub as_of: Spanned<String>,
    /// The label that it is about, in a segment set; without one, every entity with a label is a member.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub label: Option<Spanned<String>>,
    /// Keys that are members then.
    #[serde(default)]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub members: Vec<Spanned<Scalar>>,
    /// Keys that are not.
    #[serde(default)]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub not_members: Vec<Spanned<Scalar>>,
}
