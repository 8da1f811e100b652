//! All definitions of a scope, compiled.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::{Expr, cast, lit};
use indexmap::{IndexMap, IndexSet};
use tranche_sql::Session;

use super::builder::{Builder, Scan, Sharing};
use super::measure::{EventAggregate, Formula};
use super::not_fusable::NotFusable;
use super::plans::Plans;
use super::rows::{Relation, Rows, case, is_key, only_where};
use super::wide::WideColumn;
use crate::TRAITS;
use crate::definition::definitions::Definitions;
use crate::definition::in_segment::{InSegment, Reference, members_relation, references};
use crate::definition::scope::Scope;
use crate::definition::traits::scalar;
use crate::definition::validated::{SegmentDefinition, SegmentKind, TraitsDefinition};
use crate::error::SegmentError;

/// What has to be computed for a scope, and how.
#[derive(Debug)]
pub(crate) struct Program {
    /// The measures by event table, with the column that holds the entity's key.
    pub(crate) scans: IndexMap<String, Scan>,
    /// Columns of the wide row that are made of measures.
    pub(crate) aggregates: IndexSet<EventAggregate>,
    /// Relations of which it matters whether they have a row without a key.
    pub(crate) null_keys: IndexSet<Expr>,
    /// The traits in the order of the wide table.
    pub(crate) traits: IndexMap<String, TraitColumn>,
    /// The files of traits that run as they are, and why.
    pub(crate) fallback_traits: IndexMap<String, String>,
    /// The segments and sets in their order.
    pub(crate) segments: IndexMap<String, Compiled>,
    /// The aggregates that each file of traits, segment and set asks for itself.
    pub(crate) uses: IndexMap<String, Vec<usize>>,
}

/// A trait.
#[derive(Debug, Clone)]
pub(crate) struct TraitColumn {
    /// The file of traits that it is one of.
    pub(crate) definition: String,
    /// Its type.
    pub(crate) data_type: DataType,
    /// Its value in the wide row; `None` when its file runs as it is.
    pub(crate) value: Option<Expr>,
}

impl TraitColumn {
    /// No values for so many rows.
    pub(crate) fn nulls(&self, rows: usize) -> ArrayRef {
        new_null_array(&self.data_type, rows)
    }
}

/// A segment or set.
#[derive(Debug, Clone)]
pub(crate) enum Compiled {
    /// Who is in it: where `present` is true, with the `label` for a set.
    Fused { present: Expr, label: Option<Expr> },
    /// Its query runs as it is, because of this.
    Fallback(String),
}

impl Program {
    /// Compiles the definitions in scope.
    ///
    /// # Errors
    /// [`SegmentError::Definition`] when a definition cannot be planned.
    pub(crate) async fn compile(
        definitions: &Definitions,
        scope: &Scope,
        session: &Session,
        sharing: Sharing,
    ) -> Result<Self, SegmentError> {
        Self::compile_from(&Plans::default(), definitions, scope, session, sharing).await
    }

    /// Compiles the definitions in scope; plans that are the same at every instant are taken from `plans`, or added to it.
    ///
    /// # Errors
    /// [`SegmentError::Definition`] when a definition cannot be planned.
    pub(crate) async fn compile_from(
        plans: &Plans,
        definitions: &Definitions,
        scope: &Scope,
        session: &Session,
        sharing: Sharing,
    ) -> Result<Self, SegmentError> {
        let entity = scope.entity.as_str();
        let key = definitions.key(entity).ok_or_else(|| SegmentError::Unknown(entity.to_owned()))?;
        let planning = session.without_tables()?;
        for contract in definitions.contracts.values() {
            planning.register_empty(&contract.table, contract.arrow_schema())?;
        }
        let mut builder = Builder {
            plans,
            definitions,
            entity,
            key: key.to_owned(),
            as_of: session.as_of().as_microsecond(),
            traits: HashSet::new(),
            outer: Vec::new(),
            sharing,
            scans: IndexMap::new(),
            aggregates: IndexSet::new(),
            null_keys: IndexSet::new(),
            uses: IndexMap::new(),
            asked: Vec::new(),
        };
        let (mut traits, mut fallback_traits) = (IndexMap::new(), IndexMap::new());
        for definition in scope.traits.iter().filter_map(|name| definitions.traits.get(name)) {
            if let Some(reason) = builder.add_traits(definition, &planning, &mut traits).await? {
                fallback_traits.insert(definition.name.clone(), reason);
            }
        }
        builder.traits = traits.keys().cloned().collect();
        let wide = wide_row_schema(definitions, entity, &traits);
        planning.register_empty(TRAITS, Arc::clone(&wide))?;
        let members = members_schema(key, &wide);
        let mut segments = IndexMap::new();
        for definition in scope.segments.iter().filter_map(|name| definitions.segments.get(name)) {
            for Reference { segment: needed, .. } in references(definition.file.text()) {
                planning.register_empty(&members_relation(&needed), Arc::clone(&members))?;
            }
            segments.insert(definition.name.clone(), builder.segment(definition, &planning).await?);
        }
        let Builder { scans, aggregates, null_keys, uses, .. } = builder;
        Ok(Self { scans, aggregates, null_keys, traits, fallback_traits, segments, uses })
    }

    /// The definitions that ask for a measure.
    pub(crate) fn users(&self, table: &str, measure: usize) -> Vec<&str> {
        let asks = |aggregate: &usize| {
            let aggregate = &self.aggregates[*aggregate];
            aggregate.table == table && aggregate.formula.measures().contains(&measure)
        };
        self.uses
            .iter()
            .filter(|(_, aggregates)| aggregates.iter().any(asks))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// What an aggregate is, for people.
    pub(crate) fn aggregate_text(&self, number: usize) -> String {
        let aggregate = &self.aggregates[number];
        let measures = self.scans.get(&aggregate.table).map(|scan| &scan.measures);
        let first = aggregate.formula.measures().first().copied();
        let text = first.and_then(|first| Some(measures?.get_index(first)?.to_string())).unwrap_or_default();
        match aggregate.formula {
            Formula::Average { .. } => text.replacen("sum", "avg", 1),
            Formula::Variance { root: true, .. } => text.replacen("variance", "stddev", 1),
            _ => text,
        }
    }

    /// Whether no segment runs as it is.
    pub(crate) fn is_shared(&self) -> bool {
        self.segments.values().all(|compiled| matches!(compiled, Compiled::Fused { .. }))
    }
}

fn wide_row_schema(
    definitions: &Definitions,
    entity: &str,
    traits: &IndexMap<String, TraitColumn>,
) -> SchemaRef {
    let own = definitions.entity_contract(entity).map(tranche_schema::Contract::arrow_schema);
    let mut fields: Vec<Field> =
        own.iter().flat_map(|schema| schema.fields().iter().map(|f| f.as_ref().clone())).collect();
    fields.extend(traits.iter().map(|(name, column)| Field::new(name, column.data_type.clone(), true)));
    Arc::new(Schema::new(fields))
}

fn members_schema(key: &str, wide: &Schema) -> SchemaRef {
    let key_type = wide.field_with_name(key).map_or(DataType::Utf8, |field| field.data_type().clone());
    Arc::new(Schema::new(vec![Field::new(key, key_type, false)]))
}

impl Builder<'_> {
    /// Compiles a file of traits; returns why not when it runs as it is.
    async fn add_traits(
        &mut self,
        definition: &TraitsDefinition,
        planning: &Session,
        traits: &mut IndexMap<String, TraitColumn>,
    ) -> Result<Option<String>, SegmentError> {
        let plan = self.plans.normalized(&definition.file, InSegment::InTraits, planning).await?;
        let fields: Vec<_> = plan.schema().fields().iter().skip(1).cloned().collect();
        let compiled = self.attempt(&definition.name, |builder| {
            let relation = builder.relation(&plan)?;
            let Rows::Entities { present } = relation.rows else {
                return NotFusable::because("it has a row per event, not one per entity");
            };
            match relation.columns.split_first() {
                Some((key, columns)) if is_key(key, None) => Ok((present, columns.to_vec())),
                _ => NotFusable::because(format!("its first column is not the key of `{}`", builder.entity)),
            }
        });
        let (values, reason) = match compiled {
            Ok((present, columns)) => {
                (columns.into_iter().map(|c| Some((present.clone(), c))).collect(), None)
            }
            Err(NotFusable(reason)) => (vec![None; fields.len()], Some(reason)),
        };
        for (field, value) in fields.iter().zip(values) {
            let data_type = field.data_type().clone();
            let value = value.map(|(present, value)| {
                let value = only_where(&present, value);
                match definition.defaults.get(field.name()) {
                    Some(default) => {
                        let default = cast(lit(scalar(&default.value)), data_type.clone());
                        case(vec![(value.clone().is_not_null(), value)], Some(default))
                    }
                    None => value,
                }
            });
            let definition = definition.name.clone();
            traits.insert(field.name().clone(), TraitColumn { definition, data_type, value });
        }
        Ok(reason)
    }

    async fn segment(
        &mut self,
        definition: &SegmentDefinition,
        planning: &Session,
    ) -> Result<Compiled, SegmentError> {
        let plan = self.plans.normalized(&definition.file, InSegment::OfKey(&self.key), planning).await?;
        let compiled = self.attempt(&definition.name, |builder| {
            let relation = builder.relation(&plan)?;
            builder.membership(relation, definition.kind)
        });
        Ok(match compiled {
            Ok((present, label)) => {
                Compiled::Fused { present: self.left_by_group(definition, present), label }
            }
            Err(NotFusable(reason)) => Compiled::Fallback(reason),
        })
    }

    /// In a group, an entity stays in the first segment that has it.
    fn left_by_group(&self, definition: &SegmentDefinition, present: Expr) -> Expr {
        let Some((group, priority)) = &definition.group else { return present };
        let earlier = self.definitions.segments.values().filter(|other| {
            other.group.as_ref().is_some_and(|(of, place)| of == group && place.value < priority.value)
        });
        earlier.fold(present, |left, other| {
            left.and(Expr::Not(Box::new(WideColumn::Member(other.name.clone()).expr().is_true())))
        })
    }

    fn membership(
        &mut self,
        relation: Relation,
        kind: SegmentKind,
    ) -> Result<(Expr, Option<Expr>), NotFusable> {
        match kind {
            SegmentKind::Single => Ok((self.key_presence(relation)?, None)),
            SegmentKind::Set => match (relation.rows, &relation.columns[..]) {
                (Rows::Entities { present }, [key, label]) if is_key(key, None) => {
                    Ok((present, Some(label.clone())))
                }
                _ => NotFusable::because("it does not have one row per entity, its key and a label"),
            },
        }
    }
}
