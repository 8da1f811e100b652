//! Traits: which there are, and how their values are distributed.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Field;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tranche_project::Problems;
use tranche_segment::{
    Definitions, InSegment, PersonalData, Profile, QUANTILES, Replay, TraitsDefinition, published_values,
};
use tranche_sql::SqlError;

use super::rows::ResultRows;
use crate::failure::Failure;
use crate::tranche::Tranche;

/// A trait and where it is defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TraitRow {
    /// The trait.
    #[serde(rename = "trait")]
    pub name: String,
    /// Whose trait it is.
    pub entity: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub data_type: String,
    /// The value of an entity without one.
    pub default: Option<String>,
    /// The group of traits that defines it.
    pub traits: String,
    /// The file that defines it, relative to the project.
    pub file: String,
}

/// A trait with its values.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TraitDescription {
    /// The trait and where it is defined.
    #[serde(flatten)]
    pub row: TraitRow,
    /// What its group is for.
    pub description: Option<String>,
    /// The instant of the values; null for those that were published last.
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Timestamp>,
    /// Its values; null when none were published.
    pub values: Option<TraitValues>,
    /// The text of the file.
    #[serde(skip)]
    pub text: String,
}

/// How the values of a trait are distributed over entities.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TraitValues {
    /// The entities.
    pub entities: u64,
    /// Entities without a value.
    pub nulls: u64,
    /// Entities without a value as a share of all, in [0, 1].
    pub null_share: Option<f64>,
    /// How many different values there are.
    pub distinct: u64,
    /// Quantiles, of a trait that can be ordered.
    pub quantiles: Option<Vec<QuantileValue>>,
    /// The values that most entities have.
    pub common: Vec<CommonValue>,
    /// Whether values are left out because they are personal data.
    #[serde(rename = "withheld")]
    pub is_withheld: bool,
}

/// A quantile of a trait.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct QuantileValue {
    /// Which, in [0, 1].
    pub quantile: f64,
    /// The value.
    pub value: Value,
}

/// A value that many entities have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CommonValue {
    /// The value, as text.
    pub value: String,
    /// The entities that have it.
    pub entities: u64,
}

/// Every trait, in the order of files and columns.
///
/// # Errors
/// [`Failure`] when a statement cannot be planned.
pub async fn list(tranche: &Tranche) -> Result<Vec<TraitRow>, Failure> {
    Ok(all(tranche).await?.iter().map(DefinedTrait::row).collect())
}

/// A trait with its values at an instant, or as they were published last.
///
/// # Errors
/// [`Failure`] when there is no such trait, a statement cannot be planned, or the lake cannot be read.
pub async fn show(
    tranche: &Tranche,
    name: &str,
    as_of: Option<&str>,
    shows_personal: bool,
) -> Result<TraitDescription, Failure> {
    let traits = all(tranche).await?;
    let Some(found) = traits.iter().find(|found| found.field.name() == name) else {
        let known = traits.iter().map(|found| found.field.name().as_str());
        return Err(Failure::unknown("trait", name, known, "`tranche trait list` shows all"));
    };
    let as_of = as_of.map(|text| tranche.instant(text)).transpose()?;
    let session = tranche.definitions.empty_session(&tranche.engine)?;
    let personal = PersonalData::of(found.definitions, &found.group.entity, &session).await;
    let is_withheld = personal.has(name) && !shows_personal;
    let values = match values(found, as_of, tranche).await? {
        Some(values) => Some(profile(&Profile::of(&values)?, is_withheld)?),
        None => None,
    };
    let (description, text) = (found.group.description.clone(), found.group.file.text().to_owned());
    Ok(TraitDescription { row: found.row(), description, as_of, values, text })
}

/// A trait with the group that defines it.
struct DefinedTrait<'a> {
    definitions: &'a Definitions,
    group: &'a TraitsDefinition,
    field: Field,
}

impl DefinedTrait<'_> {
    fn row(&self) -> TraitRow {
        let default = self.group.defaults.get(self.field.name());
        TraitRow {
            name: self.field.name().clone(),
            entity: self.group.entity.clone(),
            data_type: self.field.data_type().to_string(),
            default: default.map(|default| default.value.to_string()),
            traits: self.group.name.clone(),
            file: self.group.file.path().to_owned(),
        }
    }
}

async fn all(tranche: &Tranche) -> Result<Vec<DefinedTrait<'_>>, Failure> {
    let mut found = Vec::new();
    let mut problems = Problems::default();
    for pipeline in tranche.definitions.pipelines.values() {
        let definitions = &pipeline.definitions;
        let session = tranche.definitions.empty_session(&tranche.engine)?;
        for group in definitions.traits.values() {
            let (sql, place) = (group.file.text(), InSegment::InTraits);
            let Ok(plan) = session.plan(sql, &place).await else {
                for problem in session.mistakes(sql, &place).await {
                    problems.push(
                        group.file.problem(problem.position, problem.message).with_help_if(problem.help),
                    );
                }
                continue;
            };
            let traits = plan.schema().fields().iter().skip(1);
            found.extend(traits.map(|field| DefinedTrait {
                definitions,
                group,
                field: field.as_ref().clone(),
            }));
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Failure::problems(problems)) }
}

/// The trait's values for every entity: computed at an instant, or as they were published last.
async fn values(
    found: &DefinedTrait<'_>,
    as_of: Option<Timestamp>,
    tranche: &Tranche,
) -> Result<Option<ArrayRef>, Failure> {
    let lake = tranche.lake()?;
    let (entity, name) = (&found.group.entity, found.field.name());
    let Some(as_of) = as_of else {
        let session = tranche.engine.session(tranche.instant_or_latest(None)?);
        return Ok(published_values(&lake, &session, entity, name).await?);
    };
    let tables = tranche.tables(&lake).await?;
    let replay = Replay { definitions: found.definitions, tables: &tables, engine: &tranche.engine, as_of };
    let wide = replay.traits(entity, &found.group.name).await?;
    Ok(wide.column_by_name(name).cloned())
}

fn profile(profile: &Profile, is_withheld: bool) -> Result<TraitValues, Failure> {
    let common = profile.common.iter().filter(|_| !is_withheld);
    Ok(TraitValues {
        entities: profile.rows,
        nulls: profile.nulls,
        null_share: profile.null_share(),
        distinct: profile.distinct,
        quantiles: profile.quantiles.as_ref().filter(|_| !is_withheld).map(quantiles).transpose()?,
        common: common.map(|(value, count)| CommonValue { value: value.clone(), entities: *count }).collect(),
        is_withheld,
    })
}

fn quantiles(values: &ArrayRef) -> Result<Vec<QuantileValue>, Failure> {
    let batch = RecordBatch::try_from_iter([("value", ArrayRef::clone(values))]).map_err(SqlError::from)?;
    let rows = ResultRows::from_batches(&batch.schema(), &[batch])?.rows;
    let values = rows.into_iter().flatten();
    Ok(QUANTILES.into_iter().zip(values).map(|(quantile, value)| QuantileValue { quantile, value }).collect())
}
