//! Relations with at most one row per entity, and the events that become such by aggregation.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, JoinType};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, Join, LogicalPlan, Operator, lit};

use super::measure::Formula;
use super::program::Builder;
use super::subquery::Outer;
use super::wide::{Subject, WideColumn, as_event_column, event_column, subject, without_casts};
use super::{Unfused, Window};
use crate::TRAITS;

/// A relation, with the schema of the plan that it stands for and an expression for each of its columns.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub(crate) schema: DFSchemaRef,
    pub(crate) columns: Vec<Expr>,
    pub(crate) rows: Rows,
}

/// The rows of a relation.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    /// At most one per entity, where `present` is true. Columns are over the wide row.
    Entities { present: Expr },
    /// One per event. Columns are over the event, or over the wide row of its entity.
    Events(Events),
}

/// Events of one table.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    pub(crate) table: String,
    /// The column with the entity's key.
    pub(crate) key: String,
    pub(crate) event_time: String,
    /// Conditions on the event besides its time.
    pub(crate) predicate: Vec<Expr>,
    pub(crate) window: Window,
    /// A condition on the entity.
    pub(crate) entity: Expr,
    /// Whether an entity without such an event has one row of nulls.
    pub(crate) optional: bool,
}

impl Builder<'_> {
    /// The relation that a plan computes.
    pub(crate) fn relation(&mut self, plan: &LogicalPlan) -> Result<Relation, Unfused> {
        match plan {
            LogicalPlan::TableScan(scan) if scan.fetch.is_none() && scan.filters.is_empty() => {
                self.table(scan.table_name.table(), &scan.projected_schema)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = self.relation(&alias.input)?;
                Ok(Relation { schema: DFSchemaRef::clone(&alias.schema), ..input })
            }
            LogicalPlan::Projection(projection) => {
                let input = self.relation(&projection.input)?;
                let columns = projection
                    .expr
                    .iter()
                    .map(|expr| self.resolve(expr, &input))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(Relation { schema: DFSchemaRef::clone(&projection.schema), columns, rows: input.rows })
            }
            LogicalPlan::Filter(filter) => {
                let input = self.relation(&filter.input)?;
                self.filtered(input, &filter.predicate)
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregated(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.relation(input)?;
                self.by_entity(input)
            }
            LogicalPlan::Join(join) => self.joined(join),
            LogicalPlan::Union(union) => {
                let mut present = lit(false);
                for input in &union.inputs {
                    let input = self.relation(input)?;
                    present = or(present, self.key_presence(input)?);
                }
                Ok(Relation {
                    schema: DFSchemaRef::clone(&union.schema),
                    columns: vec![WideColumn::Key.expr()],
                    rows: Rows::Entities { present },
                })
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.relation(&sort.input),
            LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => {
                Unfused::because("LIMIT depends on the order of all rows")
            }
            LogicalPlan::Window(_) => Unfused::because("a window function looks at other rows"),
            LogicalPlan::TableScan(scan) => {
                Unfused::because(format!("`{}` is read in a special way", scan.table_name))
            }
            LogicalPlan::RecursiveQuery(_) => Unfused::because("the query is recursive"),
            other => Unfused::because(format!("{} is not about one row per entity", other.display())),
        }
    }

    fn table(&mut self, name: &str, schema: &DFSchemaRef) -> Result<Relation, Unfused> {
        let names = schema.fields().iter().map(|field| field.name());
        let own =
            |name: &String| if *name == self.key { WideColumn::Key } else { WideColumn::Own(name.clone()) };
        if let Some(segment) = name.strip_prefix("segment:") {
            let present = WideColumn::Member(segment.to_owned()).expr().is_true();
            return Ok(Relation {
                schema: DFSchemaRef::clone(schema),
                columns: vec![WideColumn::Key.expr()],
                rows: Rows::Entities { present },
            });
        }
        if name == TRAITS {
            let column = |name: &String| {
                if self.traits.contains(name) { WideColumn::Trait(name.clone()) } else { own(name) }
            };
            let columns = names.map(|name| column(name).expr()).collect();
            let present = WideColumn::Universe.expr();
            return Ok(Relation {
                schema: DFSchemaRef::clone(schema),
                columns,
                rows: Rows::Entities { present },
            });
        }
        let Some(contract) = self.definitions.contracts.get(name) else {
            return Unfused::because(format!("`{name}` is not a table of a contract"));
        };
        if contract.entity() == Some(self.entity) {
            let columns = names.map(|name| own(name).expr()).collect();
            let present = WideColumn::Declared.expr();
            return Ok(Relation {
                schema: DFSchemaRef::clone(schema),
                columns,
                rows: Rows::Entities { present },
            });
        }
        let (Some(key), Some(event_time)) = (contract.entity_column(self.entity), contract.event_time())
        else {
            return Unfused::because(format!("`{name}` is not a table of events of `{}`", self.entity));
        };
        let events = Events {
            table: name.to_owned(),
            key: key.to_owned(),
            event_time: event_time.to_owned(),
            predicate: Vec::new(),
            window: Window::before(self.as_of),
            entity: lit(true),
            optional: false,
        };
        let columns = names.map(|name| event_column(name)).collect();
        Ok(Relation { schema: DFSchemaRef::clone(schema), columns, rows: Rows::Events(events) })
    }

    /// An expression over the columns of a plan, over the columns of its relation.
    pub(crate) fn resolve(&mut self, expr: &Expr, input: &Relation) -> Result<Expr, Unfused> {
        let mut refused = None;
        let resolved = expr.clone().transform_down(|node| {
            let replacement = match node {
                Expr::Column(column) => match input.schema.index_of_column(&column) {
                    Ok(index) => Ok(input.columns[index].clone()),
                    Err(error) => Err(Unfused::from(error)),
                },
                Expr::Alias(alias) => self.resolve(&alias.expr, input),
                Expr::OuterReferenceColumn(_, column) => self.resolve_outer(&column),
                Expr::InSubquery(subquery) => self.in_subquery(&subquery, input),
                Expr::Exists(exists) => self.exists(&exists, input),
                Expr::ScalarSubquery(subquery) => self.scalar_subquery(&subquery, input),
                Expr::SetComparison(_) => {
                    Unfused::because("ANY and ALL compare with every row of a subquery")
                }
                node => return Ok(Transformed::no(node)),
            };
            Ok(match replacement {
                Ok(expr) => Transformed::new(expr, true, TreeNodeRecursion::Jump),
                Err(reason) => {
                    refused = Some(reason);
                    Transformed::new(lit(true), true, TreeNodeRecursion::Stop)
                }
            })
        })?;
        match refused {
            Some(reason) => Err(reason),
            None => Ok(resolved.data),
        }
    }

    /// The rows for which a predicate holds.
    pub(crate) fn filtered(&mut self, mut input: Relation, predicate: &Expr) -> Result<Relation, Unfused> {
        for condition in split_conjunction(predicate) {
            if self.correlates(condition, &input)? {
                continue;
            }
            let condition = self.resolve(condition, &input)?;
            match &mut input.rows {
                Rows::Entities { present } => *present = and(present.clone(), condition),
                Rows::Events(events) => {
                    if let Some(rows) = self.filter_events(events, condition)? {
                        input.columns = input.columns.iter().map(without_event).collect();
                        input.rows = rows;
                    }
                }
            }
        }
        Ok(input)
    }

    /// Adds a condition to events. Where it asks for entities without events, it makes them that.
    fn filter_events(&mut self, events: &mut Events, condition: Expr) -> Result<Option<Rows>, Unfused> {
        if events.optional && subject(&condition) != Subject::Entity {
            // The idiom of an anti-join: LEFT JOIN events ... WHERE events.id IS NULL.
            let Expr::IsNull(column) = &condition else {
                return Unfused::because(
                    "a condition after a LEFT JOIN of events is about its rows of nulls too",
                );
            };
            if !as_event_column(column)
                .is_some_and(|name| name == events.key || self.never_null(&events.table, name))
            {
                return Unfused::because(
                    "the column that must be null after a LEFT JOIN may be null in an event, too",
                );
            }
            let any = self.any_event(events);
            let present = and(events.entity.clone(), Expr::Not(Box::new(any)));
            return Ok(Some(Rows::Entities { present }));
        }
        match subject(&condition) {
            Subject::Nothing | Subject::Event => {
                if !events.window.narrow(&condition, &events.event_time) {
                    events.predicate.push(condition);
                }
            }
            Subject::Entity => events.entity = and(events.entity.clone(), condition),
            Subject::Both => {
                return Unfused::because(
                    "a condition compares columns of an event with columns of its entity",
                );
            }
        }
        Ok(None)
    }

    /// Whether an entity has such an event.
    pub(crate) fn any_event(&mut self, events: &Events) -> Expr {
        let count = self.count_measure(events);
        self.slot(&events.table, Formula::Present(count), arrow::datatypes::DataType::Boolean)
    }

    /// The same rows, one per entity: events count as long as nothing but their key is asked for.
    pub(crate) fn by_entity(&mut self, input: Relation) -> Result<Relation, Unfused> {
        let Rows::Events(events) = &input.rows else { return Ok(input) };
        if !input.columns.iter().all(|column| is_key(column, Some(events))) {
            return Unfused::because("it has a row per event, not one per entity");
        }
        let present = self.entities_with(events);
        let columns = vec![WideColumn::Key.expr(); input.columns.len()];
        Ok(Relation { columns, rows: Rows::Entities { present }, ..input })
    }

    /// Where a relation has a row for an entity.
    pub(crate) fn entities_with(&mut self, events: &Events) -> Expr {
        match events.optional {
            true => events.entity.clone(),
            false => and(self.any_event(events), events.entity.clone()),
        }
    }

    /// Where a relation whose only column is the key has a row.
    pub(crate) fn key_presence(&mut self, input: Relation) -> Result<Expr, Unfused> {
        let input = self.by_entity(input)?;
        match (&input.columns[..], input.rows) {
            ([column], Rows::Entities { present }) if is_key(column, None) => Ok(present),
            _ => Unfused::because(format!("it returns something else than the key of `{}`", self.entity)),
        }
    }

    fn joined(&mut self, join: &Join) -> Result<Relation, Unfused> {
        let (left, right) = (self.relation(&join.left)?, self.relation(&join.right)?);
        let schema = DFSchemaRef::clone(&join.schema);
        let both = Relation {
            schema: std::sync::Arc::new(left.schema.join(&right.schema)?),
            columns: left.columns.iter().chain(&right.columns).cloned().collect(),
            rows: left.rows.clone(),
        };
        let (mut on_key, mut conditions) = (false, Vec::new());
        let pairs = join.on.iter().map(|(l, r)| l.clone().eq(r.clone()));
        let filters: Vec<Expr> =
            join.filter.iter().flat_map(|filter| split_conjunction(filter)).cloned().collect();
        for condition in pairs.chain(filters) {
            let condition = self.resolve(&condition, &both)?;
            match is_key_equality(&condition, &left, &right) {
                true => on_key = true,
                false => conditions.push(condition),
            }
        }
        if !on_key {
            return Unfused::because("a join that is not on the entity's key");
        }
        let condition = conjunction(conditions);
        match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => {
                self.semi_join(left, right, condition, schema, join.join_type)
            }
            JoinType::Inner => self.inner_join(left, right, condition, schema),
            JoinType::Left => self.outer_join(left, right, condition, schema, false),
            JoinType::Right => self.outer_join(right, left, condition, schema, true),
            other => Unfused::because(format!("a {other} join")),
        }
    }

    fn semi_join(
        &mut self,
        left: Relation,
        right: Relation,
        condition: Option<Expr>,
        schema: DFSchemaRef,
        join_type: JoinType,
    ) -> Result<Relation, Unfused> {
        if condition.is_some() {
            return Unfused::because("a set operation on more than the key");
        }
        let (left, right) = (self.key_presence(left)?, self.key_presence(right)?);
        let present = match join_type {
            JoinType::LeftSemi => and(left, right),
            _ => and(left, Expr::Not(Box::new(is_true(right)))),
        };
        Ok(Relation { schema, columns: vec![WideColumn::Key.expr()], rows: Rows::Entities { present } })
    }

    fn inner_join(
        &mut self,
        left: Relation,
        right: Relation,
        condition: Option<Expr>,
        schema: DFSchemaRef,
    ) -> Result<Relation, Unfused> {
        let columns = left.columns.into_iter().chain(right.columns).collect();
        // A null key equals no other.
        let keyed = WideColumn::Key.expr().is_not_null();
        let rows = match (left.rows, right.rows) {
            (Rows::Entities { present: left }, Rows::Entities { present: right }) => {
                Rows::Entities { present: and(and(left, right), keyed) }
            }
            (Rows::Events(mut events), Rows::Entities { present })
            | (Rows::Entities { present }, Rows::Events(mut events))
                if !events.optional =>
            {
                events.entity = and(and(events.entity, present), keyed);
                Rows::Events(events)
            }
            _ => return Unfused::because("it joins events with events"),
        };
        let joined = Relation { schema, columns, rows };
        match condition {
            None => Ok(joined),
            Some(condition) => self.narrowed(joined, condition),
        }
    }

    /// The rows of a join for which a condition holds that is resolved already.
    fn narrowed(&mut self, mut joined: Relation, condition: Expr) -> Result<Relation, Unfused> {
        for condition in split_conjunction(&condition).into_iter().cloned() {
            match &mut joined.rows {
                Rows::Entities { present } => *present = and(present.clone(), condition),
                Rows::Events(events) => {
                    self.filter_events(events, condition)?;
                }
            }
        }
        Ok(joined)
    }

    /// All rows of `kept`, with those of `joined` that match.
    fn outer_join(
        &mut self,
        kept: Relation,
        joined: Relation,
        condition: Option<Expr>,
        schema: DFSchemaRef,
        kept_is_right: bool,
    ) -> Result<Relation, Unfused> {
        let in_order = |kept: Vec<Expr>, joined: Vec<Expr>| match kept_is_right {
            true => joined.into_iter().chain(kept).collect(),
            false => kept.into_iter().chain(joined).collect(),
        };
        match (kept.rows, joined.rows) {
            (rows, Rows::Entities { present }) => {
                let matches = and(present, WideColumn::Key.expr().is_not_null());
                let matches = condition.into_iter().fold(matches, and);
                if matches!(rows, Rows::Events(_)) && subject(&matches) == Subject::Both {
                    return Unfused::because("a LEFT JOIN on columns of events and entities");
                }
                let columns = joined.columns.into_iter().map(|column| only_where(&matches, column)).collect();
                Ok(Relation { schema, columns: in_order(kept.columns, columns), rows })
            }
            (Rows::Entities { present }, Rows::Events(mut events)) if !events.optional => {
                for condition in condition.iter().flat_map(|condition| split_conjunction(condition)) {
                    match subject(condition) {
                        Subject::Event => {
                            if !events.window.narrow(condition, &events.event_time) {
                                events.predicate.push(condition.clone());
                            }
                        }
                        _ => return Unfused::because("a LEFT JOIN of events on columns of the entity"),
                    }
                }
                if events.entity != lit(true) {
                    return Unfused::because("a LEFT JOIN of events that depend on their entity");
                }
                events.entity = present;
                events.optional = true;
                Ok(Relation {
                    schema,
                    columns: in_order(kept.columns, joined.columns),
                    rows: Rows::Events(events),
                })
            }
            _ => Unfused::because("it joins events with events"),
        }
    }

    /// What a plan outside a relation sees: the columns that outer references name.
    pub(crate) fn outer_of(&self, input: &Relation) -> Outer {
        let events = match &input.rows {
            Rows::Events(events) => Some(events.clone()),
            Rows::Entities { .. } => None,
        };
        Outer {
            schema: DFSchemaRef::clone(&input.schema),
            columns: input.columns.clone(),
            events,
            correlated: false,
        }
    }
}

/// Whether an expression is the entity's key: in the wide row or, in events, the column that holds it.
pub(crate) fn is_key(expr: &Expr, events: Option<&Events>) -> bool {
    let expr = without_casts(expr);
    *expr == WideColumn::Key.expr() || events.is_some_and(|events| as_event_column(expr) == Some(&events.key))
}

fn is_key_equality(condition: &Expr, left: &Relation, right: &Relation) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left: a, op: Operator::Eq | Operator::IsNotDistinctFrom, right: b }) =
        condition
    else {
        return false;
    };
    let events = |relation: &Relation| match &relation.rows {
        Rows::Events(events) => Some(events.clone()),
        Rows::Entities { .. } => None,
    };
    let (left, right) = (events(left), events(right));
    let of = |expr: &Expr| is_key(expr, left.as_ref()) || is_key(expr, right.as_ref());
    of(a) && of(b)
}

/// A column of the wide row as it is, one of an event that is not there as null.
fn without_event(column: &Expr) -> Expr {
    match subject(column) {
        Subject::Nothing | Subject::Entity => column.clone(),
        Subject::Event | Subject::Both => lit(datafusion::scalar::ScalarValue::Null),
    }
}

/// A column where a condition holds, null elsewhere.
pub(crate) fn only_where(condition: &Expr, column: Expr) -> Expr {
    case(vec![(condition.clone(), column)], None)
}

/// The first value whose condition is true, or else another, or null.
pub(crate) fn case(branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    let when_then_expr = branches.into_iter().map(|(when, then)| (Box::new(when), Box::new(then))).collect();
    Expr::Case(Case { expr: None, when_then_expr, else_expr: otherwise.map(Box::new) })
}

/// Both, without a constant that says nothing.
pub(crate) fn and(left: Expr, right: Expr) -> Expr {
    match (left == lit(true), right == lit(true)) {
        (true, _) => right,
        (_, true) => left,
        _ => left.and(right),
    }
}

pub(crate) fn or(left: Expr, right: Expr) -> Expr {
    match (left == lit(false), right == lit(false)) {
        (true, _) => right,
        (_, true) => left,
        _ => left.or(right),
    }
}

pub(crate) fn is_true(expr: Expr) -> Expr {
    expr.is_true()
}
