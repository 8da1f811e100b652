//! Expressions over the wide row as a graph: what several definitions ask is one node, evaluated once.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, lit};
use datafusion::physical_plan::PhysicalExpr;
use tranche_sql::{Session, SqlError, by_row};

use crate::definition::names::SegmentName;
use crate::plan::{Compiled, Program, WideColumn};

/// A node's number.
pub(crate) type Node = usize;

/// What a node computes of a range of rows.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// A column that is there.
    Column(WideColumn),
    /// The same truth value for all rows; unknown without.
    Constant(Option<bool>),
    /// Three-valued logic.
    And(Node, Node),
    /// Three-valued logic.
    Or(Node, Node),
    /// Three-valued logic.
    Not(Node),
    /// True, and neither false nor unknown.
    IsTrue(Node),
    /// Anything else, of the values of other nodes.
    Computed(Box<Computed>),
}

/// An expression over the values of other nodes.
#[derive(Debug, Clone)]
pub(crate) struct Computed {
    pub(crate) expr: Arc<dyn PhysicalExpr>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) inputs: Vec<Node>,
    /// What people call the inputs.
    pub(crate) labels: Vec<String>,
    asked: Expr,
}

impl Computed {
    /// The expression as SQL, for people.
    pub(crate) fn text(&self) -> String {
        let labelled = self.asked.clone().transform_up(|part| {
            let Expr::Column(column) = &part else { return Ok(Transformed::no(part)) };
            let input = self.schema.index_of(&column.name).ok();
            let label = input.map(|input| Column::new_unqualified(self.labels[input].as_str()));
            Ok(label.map_or(Transformed::no(part), |label| Transformed::yes(Expr::Column(label))))
        });
        labelled.map_or_else(|_| self.asked.to_string(), |labelled| by_row::text_of(&labelled.data))
    }
}

/// The nodes, each after those that it needs.
pub(crate) struct Graph<'a> {
    program: &'a Program,
    session: &'a Session,
    types: &'a WideTypes,
    known: HashMap<Expr, Node>,
    pub(crate) operations: Vec<Operation>,
}

/// The types of the columns of the wide row.
#[derive(Debug)]
pub(crate) struct WideTypes {
    /// The entity's own columns, the key among them.
    pub(crate) own: Arc<Schema>,
    /// The key: its name and type.
    pub(crate) key: (String, DataType),
    /// Traits that are computed already, and need no expression.
    pub(crate) computed_traits: Vec<String>,
    /// Segments whose members are known already.
    pub(crate) known_members: Vec<String>,
    /// Whether the relation with this number has a row without a key.
    pub(crate) null_keys: Vec<bool>,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(program: &'a Program, session: &'a Session, types: &'a WideTypes) -> Self {
        Self { program, session, types, known: HashMap::new(), operations: Vec::new() }
    }

    /// The node of an expression.
    pub(crate) fn add(&mut self, expr: &Expr) -> Result<Node, SqlError> {
        if let Some(&node) = self.known.get(expr) {
            return Ok(node);
        }
        let node = match expr {
            Expr::Column(column) => match WideColumn::parse(&column.name) {
                Some(column) => self.column(column)?,
                None => {
                    return Err(SqlError::Engine(format!(
                        "`{}` is not a column of the wide row",
                        column.name
                    )));
                }
            },
            Expr::Alias(alias) => self.add(&alias.expr)?,
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                let (left, right) = (self.add(left)?, self.add(right)?);
                match (self.constant(left), self.constant(right)) {
                    (Some(Some(false)), _) | (_, Some(Some(true))) => left,
                    (_, Some(Some(false))) | (Some(Some(true)), _) => right,
                    _ => self.push(Operation::And(left, right)),
                }
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                let (left, right) = (self.add(left)?, self.add(right)?);
                match (self.constant(left), self.constant(right)) {
                    (Some(Some(true)), _) | (_, Some(Some(false))) => left,
                    (_, Some(Some(true))) | (Some(Some(false)), _) => right,
                    _ => self.push(Operation::Or(left, right)),
                }
            }
            Expr::Not(inner) => {
                let inner = self.add(inner)?;
                self.push(Operation::Not(inner))
            }
            Expr::IsTrue(inner) => {
                let inner = self.add(inner)?;
                self.push(Operation::IsTrue(inner))
            }
            Expr::Literal(ScalarValue::Boolean(value), _) => self.push(Operation::Constant(*value)),
            other => self.computed(other)?,
        };
        self.known.insert(expr.clone(), node);
        Ok(node)
    }

    /// The truth value that a node has for all rows.
    fn constant(&self, node: Node) -> Option<Option<bool>> {
        match &self.operations[node] {
            Operation::Constant(value) => Some(*value),
            _ => None,
        }
    }

    fn push(&mut self, operation: Operation) -> Node {
        self.operations.push(operation);
        self.operations.len() - 1
    }

    /// A column: where an expression stands for it, that.
    fn column(&mut self, column: WideColumn) -> Result<Node, SqlError> {
        match &column {
            WideColumn::Trait(name) if !self.types.computed_traits.contains(name) => {
                let found = self.program.traits.get(name);
                match found.and_then(|column| Some((column.value.as_ref()?, &column.data_type))) {
                    Some((value, data_type)) => {
                        let value = cast(value.clone(), data_type.clone());
                        self.add(&value)
                    }
                    None => Err(SqlError::Engine(format!("the trait `{name}` was not computed"))),
                }
            }
            WideColumn::Member(name) if !self.types.known_members.contains(name) => {
                let expr = self.member(name)?;
                self.add(&expr)
            }
            WideColumn::NullKey(number) => Ok(match self.types.null_keys.get(*number) {
                Some(&holds) => self.push(Operation::Constant(Some(holds))),
                None => {
                    return Err(SqlError::Engine(format!(
                        "whether relation {number} has a null is not known"
                    )));
                }
            }),
            _ => Ok(self.push(Operation::Column(column))),
        }
    }

    /// Whether an entity is in a segment that is evaluated in the same pass; never for one that has no members.
    fn member(&self, segment: &str) -> Result<Expr, SqlError> {
        let SegmentName { definition: name, label } = SegmentName::parse(segment);
        // Members are of the universe: neither other ids nor rows without a key.
        let universe = WideColumn::Universe.expr();
        match (self.program.segments.get(name), label) {
            (Some(Compiled::Fused { present, label: None }), None) => Ok(present.clone().and(universe)),
            (Some(Compiled::Fused { present, label: Some(of) }), Some(label)) => {
                Ok(present.clone().and(universe).and(cast(of.clone(), DataType::Utf8).eq(lit(label))))
            }
            _ => Ok(lit(false)),
        }
    }

    fn computed(&mut self, expr: &Expr) -> Result<Node, SqlError> {
        let mut names: Vec<&Column> = expr.column_refs().into_iter().collect();
        names.sort_unstable();
        let (mut inputs, mut fields, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for column in names {
            let wide = WideColumn::parse(&column.name);
            let wide = wide.ok_or_else(|| {
                SqlError::Engine(format!("`{}` is not a column of the wide row", column.name))
            })?;
            fields.push(Field::new(&column.name, self.type_of(&wide)?, true));
            labels.push(self.label(&wide));
            inputs.push(self.add(&Expr::Column(column.clone()))?);
        }
        let schema = Arc::new(Schema::new(fields));
        let df_schema = DFSchema::try_from(Arc::clone(&schema)).map_err(SqlError::engine)?;
        let asked = typed(expr, &df_schema)?;
        let expr = self.session.physical_expression(asked.clone(), &df_schema).map_err(SqlError::engine)?;
        Ok(self.push(Operation::Computed(Box::new(Computed { expr, schema, inputs, labels, asked }))))
    }

    /// What people call a column.
    fn label(&self, column: &WideColumn) -> String {
        match column {
            WideColumn::Own(name) | WideColumn::Trait(name) => name.clone(),
            WideColumn::Member(segment) => format!("in_segment('{segment}')"),
            WideColumn::Aggregate(number) => self.program.aggregate_text(*number),
            WideColumn::Key => self.types.key.0.clone(),
            WideColumn::HasKey => format!("{} IS NOT NULL", self.types.key.0),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    fn type_of(&self, column: &WideColumn) -> Result<DataType, SqlError> {
        Ok(match column {
            WideColumn::Key => self.types.key.1.clone(),
            WideColumn::HasKey | WideColumn::Declared | WideColumn::Universe => DataType::Boolean,
            WideColumn::Member(_) | WideColumn::NullKey(_) => DataType::Boolean,
            WideColumn::Own(name) => self.types.own.field_with_name(name)?.data_type().clone(),
            WideColumn::Aggregate(number) => self.program.aggregates[*number].data_type.clone(),
            WideColumn::Trait(name) => match self.program.traits.get(name) {
                Some(column) => column.data_type.clone(),
                None => return Err(SqlError::Engine(format!("there is no trait `{name}`"))),
            },
        })
    }
}

/// An expression whose untyped nulls are of the type that its context needs, which a column of nothing would not be.
fn typed(expr: &Expr, schema: &DFSchema) -> Result<Expr, SqlError> {
    match expr {
        Expr::Cast(inner)
            if inner.expr.get_type(schema).map_err(SqlError::engine)? == *inner.field.data_type() =>
        {
            Ok(inner.expr.as_ref().clone())
        }
        Expr::Literal(ScalarValue::Null, _) => Ok(lit(ScalarValue::Boolean(None))),
        expr => Ok(expr.clone()),
    }
}
