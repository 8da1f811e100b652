//! All definitions of a scope, compiled.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, LogicalPlan, cast, lit};
use indexmap::{IndexMap, IndexSet};
use tranche_project::SourceFile;
use tranche_sql::{Session, segment_relation};

use super::measure::{Formula, Measure, Slot};
use super::relation::{Events, Relation, Rows, is_key};
use super::subquery::Outer;
use super::{Unfused, WideColumn};
use crate::TRAITS;
use crate::definitions::{Definitions, SegmentDefinition, SegmentKind, TraitsDefinition};
use crate::error::SegmentError;
use crate::evaluate::Sharing;
use crate::scope::Scope;
use crate::traits::scalar;

/// What has to be computed for a scope, and how.
#[derive(Debug)]
pub(crate) struct Program {
    /// The measures by event table, with the column that holds the entity's key.
    pub(crate) scans: IndexMap<String, Scan>,
    /// Columns of the wide row that are made of measures.
    pub(crate) slots: IndexSet<Slot>,
    /// Relations of which it matters whether they have a row without a key.
    pub(crate) null_keys: IndexSet<Expr>,
    /// The traits in the order of the wide table.
    pub(crate) traits: IndexMap<String, TraitColumn>,
    /// The files of traits that run as they are, and why.
    pub(crate) traits_as_is: IndexMap<String, String>,
    /// The segments and sets in their order.
    pub(crate) segments: IndexMap<String, Compiled>,
    /// The slots that each file of traits, segment and set asks for itself.
    pub(crate) uses: IndexMap<String, Vec<usize>>,
}

/// What is read from one event table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scan {
    /// The column with the entity's key.
    pub(crate) key: String,
    /// What is computed.
    pub(crate) measures: IndexSet<Measure>,
}

/// A trait.
#[derive(Debug, Clone)]
pub(crate) struct TraitColumn {
    /// Its type.
    pub(crate) data_type: DataType,
    /// Its value in the wide row; `None` when its file runs as it is.
    pub(crate) value: Option<Expr>,
}

/// The plans of definitions as they are at every instant, by key and text.
#[derive(Debug, Default)]
pub(crate) struct Plans(Mutex<HashMap<(String, String), LogicalPlan>>);

impl Plans {
    async fn normalized(
        &self,
        file: &SourceFile,
        key: &str,
        planning: &Session,
    ) -> Result<LogicalPlan, SegmentError> {
        let wrong = |problem| SegmentError::definition(file, problem);
        let name = (key.to_owned(), file.text().to_owned());
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        let plan = match known {
            Some(plan) => plan,
            None => {
                let plan = planning.analysed(file.text(), Some(key)).await.map_err(wrong)?;
                self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, plan.clone());
                plan
            }
        };
        planning.at_as_of(plan, file.text()).map_err(wrong)
    }
}

/// A segment or set.
#[derive(Debug, Clone)]
pub(crate) enum Compiled {
    /// Who is in it: where `present` is true, with the `label` for a set.
    Fused { present: Expr, label: Option<Expr> },
    /// Its query runs as it is, because of this.
    AsIs(String),
}

/// A program in the making.
pub(crate) struct Builder<'a> {
    plans: &'a Plans,
    pub(crate) definitions: &'a Definitions,
    pub(crate) entity: &'a str,
    pub(crate) key: String,
    /// Microseconds.
    pub(crate) as_of: i64,
    /// The names of all traits.
    pub(crate) traits: HashSet<String>,
    pub(crate) outer: Vec<Outer>,
    sharing: Sharing,
    scans: IndexMap<String, Scan>,
    slots: IndexSet<Slot>,
    null_keys: IndexSet<Expr>,
    uses: IndexMap<String, Vec<usize>>,
    /// The slots that the definition at hand asks for.
    asked: Vec<usize>,
}

impl Program {
    /// Compiles what is in scope.
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

    /// Compiles what is in scope, and keeps for other instants what is the same at all of them.
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
            slots: IndexSet::new(),
            null_keys: IndexSet::new(),
            uses: IndexMap::new(),
            asked: Vec::new(),
        };
        let (mut traits, mut traits_as_is) = (IndexMap::new(), IndexMap::new());
        for definition in scope.traits.iter().filter_map(|name| definitions.traits.get(name)) {
            if let Some(reason) = builder.add_traits(definition, &planning, &mut traits).await? {
                traits_as_is.insert(definition.name.clone(), reason);
            }
        }
        builder.traits = traits.keys().cloned().collect();
        let wide = wide_row_schema(definitions, entity, &traits);
        planning.register_empty(TRAITS, Arc::clone(&wide))?;
        let members = members_schema(key, &wide);
        let mut segments = IndexMap::new();
        for definition in scope.segments.iter().filter_map(|name| definitions.segments.get(name)) {
            for (needed, _) in Session::segments_of(definition.file.text(), Some(key)).unwrap_or_default() {
                planning.register_empty(&segment_relation(&needed), Arc::clone(&members))?;
            }
            segments.insert(definition.name.clone(), builder.segment(definition, &planning).await?);
        }
        let Builder { scans, slots, null_keys, uses, .. } = builder;
        Ok(Self { scans, slots, null_keys, traits, traits_as_is, segments, uses })
    }

    /// The definitions that ask for a measure.
    pub(crate) fn users(&self, table: &str, measure: usize) -> Vec<&str> {
        let asks = |slot: &usize| {
            let slot = &self.slots[*slot];
            slot.table == table && slot.formula.measures().contains(&measure)
        };
        self.uses.iter().filter(|(_, slots)| slots.iter().any(asks)).map(|(name, _)| name.as_str()).collect()
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
        let plan = self.plans.normalized(&definition.file, &self.key, planning).await?;
        let fields: Vec<_> = plan.schema().fields().iter().skip(1).cloned().collect();
        let compiled = self.attempt(&definition.name, |builder| {
            let relation = builder.relation(&plan)?;
            let Rows::Entities { present } = relation.rows else {
                return Unfused::because("it has a row per event, not one per entity");
            };
            match relation.columns.split_first() {
                Some((key, columns)) if is_key(key, None) => Ok((present, columns.to_vec())),
                _ => Unfused::because(format!("its first column is not the key of `{}`", builder.entity)),
            }
        });
        let (values, reason) = match compiled {
            Ok((present, columns)) => {
                (columns.into_iter().map(|c| Some((present.clone(), c))).collect(), None)
            }
            Err(Unfused(reason)) => (vec![None; fields.len()], Some(reason)),
        };
        for (field, value) in fields.iter().zip(values) {
            let data_type = field.data_type().clone();
            let value = value.map(|(present, value)| {
                let value = super::relation::only_where(&present, value);
                match definition.defaults.get(field.name()) {
                    Some(default) => {
                        let default = cast(lit(scalar(&default.value)), data_type.clone());
                        super::relation::case(vec![(value.clone().is_not_null(), value)], Some(default))
                    }
                    None => value,
                }
            });
            traits.insert(field.name().clone(), TraitColumn { data_type, value });
        }
        Ok(reason)
    }

    async fn segment(
        &mut self,
        definition: &SegmentDefinition,
        planning: &Session,
    ) -> Result<Compiled, SegmentError> {
        let plan = self.plans.normalized(&definition.file, &self.key, planning).await?;
        let compiled = self.attempt(&definition.name, |builder| {
            let relation = builder.relation(&plan)?;
            builder.membership(relation, definition.kind)
        });
        Ok(match compiled {
            Ok((present, label)) => {
                Compiled::Fused { present: self.left_by_group(definition, present), label }
            }
            Err(Unfused(reason)) => Compiled::AsIs(reason),
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

    fn membership(&mut self, relation: Relation, kind: SegmentKind) -> Result<(Expr, Option<Expr>), Unfused> {
        match kind {
            SegmentKind::Single => Ok((self.key_presence(relation)?, None)),
            SegmentKind::Set => match (relation.rows, &relation.columns[..]) {
                (Rows::Entities { present }, [key, label]) if is_key(key, None) => {
                    Ok((present, Some(label.clone())))
                }
                _ => Unfused::because("it does not have one row per entity, its key and a label"),
            },
        }
    }

    /// Compiles something; when that fails, nothing of it stays.
    fn attempt<T>(
        &mut self,
        name: &str,
        compile: impl FnOnce(&mut Self) -> Result<T, Unfused>,
    ) -> Result<T, Unfused> {
        let measures: Vec<usize> = self.scans.values().map(|scan| scan.measures.len()).collect();
        let (slots, null_keys) = (self.slots.len(), self.null_keys.len());
        if self.sharing == Sharing::OneByOne {
            return Unfused::because("every definition is to run as it is");
        }
        self.asked.clear();
        let outcome = compile(self);
        let mut asked = std::mem::take(&mut self.asked);
        if outcome.is_ok() {
            asked.sort_unstable();
            asked.dedup();
            self.uses.insert(name.to_owned(), asked);
        } else {
            self.slots.truncate(slots);
            self.null_keys.truncate(null_keys);
            self.scans.truncate(measures.len());
            for (scan, length) in self.scans.values_mut().zip(measures) {
                scan.measures.truncate(length);
            }
            self.outer.clear();
        }
        outcome
    }

    pub(crate) fn add_measure(&mut self, events: &Events, measure: Measure) -> usize {
        let scan = self.scans.entry(events.table.clone()).or_default();
        scan.key.clone_from(&events.key);
        scan.measures.insert_full(measure).0
    }

    pub(crate) fn slot(&mut self, table: &str, formula: Formula, data_type: DataType) -> Expr {
        let slot = Slot { table: table.to_owned(), formula, data_type };
        let number = self.slots.insert_full(slot).0;
        self.asked.push(number);
        WideColumn::Slot(number).expr()
    }

    /// Whether a relation has a row without a key.
    pub(crate) fn null_key(&mut self, present: &Expr) -> Expr {
        WideColumn::NullKey(self.null_keys.insert_full(present.clone()).0).expr()
    }

    pub(crate) fn never_null(&self, table: &str, column: &str) -> bool {
        let contract = self.definitions.contracts.get(table);
        contract
            .is_some_and(|c| c.arrow_schema().field_with_name(column).is_ok_and(|field| !field.is_nullable()))
    }

    pub(crate) fn table_schema(&self, table: &str) -> Result<DFSchema, Unfused> {
        match self.definitions.contracts.get(table) {
            Some(contract) => Ok(DFSchema::try_from(contract.arrow_schema())?),
            None => Unfused::because(format!("`{table}` is not a table of a contract")),
        }
    }
}
