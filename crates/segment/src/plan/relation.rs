//! From a logical plan to a relation: scans, filters, joins and set operations.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, JoinType};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, Join, LogicalPlan, Operator, lit};

use super::builder::Builder;
use super::measure::Formula;
use super::not_fusable::NotFusable;
use super::rows::{Events, Outer, Relation, Rows, and, is_key, is_true, only_where, or};
use super::wide::{Subject, WideColumn, as_event_column, event_column, subject};
use super::window::Window;
use crate::TRAITS;
use crate::definition::in_segment::segment_of;

impl Builder<'_> {
    /// The relation that a plan computes.
    pub(crate) fn relation(&mut self, plan: &LogicalPlan) -> Result<Relation, NotFusable> {
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
                NotFusable::because("LIMIT depends on the order of all rows")
            }
            LogicalPlan::Window(_) => NotFusable::because("a window function looks at other rows"),
            LogicalPlan::TableScan(scan) => {
                NotFusable::because(format!("`{}` is read in a special way", scan.table_name))
            }
            LogicalPlan::RecursiveQuery(_) => NotFusable::because("the query is recursive"),
            other => NotFusable::because(format!("{} is not about one row per entity", other.display())),
        }
    }

    fn table(&mut self, name: &str, schema: &DFSchemaRef) -> Result<Relation, NotFusable> {
        let names = schema.fields().iter().map(|field| field.name());
        let own =
            |name: &String| if *name == self.key { WideColumn::Key } else { WideColumn::Own(name.clone()) };
        if let Some(segment) = segment_of(name) {
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
            return NotFusable::because(format!("`{name}` is not a table of a contract"));
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
            return NotFusable::because(format!("`{name}` is not a table of events of `{}`", self.entity));
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
    pub(crate) fn resolve(&mut self, expr: &Expr, input: &Relation) -> Result<Expr, NotFusable> {
        let mut refused = None;
        let resolved = expr.clone().transform_down(|node| {
            let replacement = match node {
                Expr::Column(column) => match input.schema.index_of_column(&column) {
                    Ok(index) => Ok(input.columns[index].clone()),
                    Err(error) => Err(NotFusable::from(error)),
                },
                Expr::Alias(alias) => self.resolve(&alias.expr, input),
                Expr::OuterReferenceColumn(_, column) => self.resolve_outer(&column),
                Expr::InSubquery(subquery) => self.in_subquery(&subquery, input),
                Expr::Exists(exists) => self.exists(&exists, input),
                Expr::ScalarSubquery(subquery) => self.scalar_subquery(&subquery, input),
                Expr::SetComparison(_) => {
                    NotFusable::because("ANY and ALL compare with every row of a subquery")
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
    pub(crate) fn filtered(&mut self, mut input: Relation, predicate: &Expr) -> Result<Relation, NotFusable> {
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
    fn filter_events(&mut self, events: &mut Events, condition: Expr) -> Result<Option<Rows>, NotFusable> {
        if events.optional && subject(&condition) != Subject::Entity {
            // The idiom of an anti-join: LEFT JOIN events ... WHERE events.id IS NULL.
            let Expr::IsNull(column) = &condition else {
                return NotFusable::because(
                    "a condition after a LEFT JOIN of events is about its rows of nulls too",
                );
            };
            if !as_event_column(column)
                .is_some_and(|name| name == events.key || self.never_null(&events.table, name))
            {
                return NotFusable::because(
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
                return NotFusable::because(
                    "a condition compares columns of an event with columns of its entity",
                );
            }
        }
        Ok(None)
    }

    /// Whether an entity has such an event.
    pub(crate) fn any_event(&mut self, events: &Events) -> Expr {
        let count = self.count_measure(events);
        self.event_aggregate(&events.table, Formula::Present(count), arrow::datatypes::DataType::Boolean)
    }

    /// The same rows, one per entity: events count as long as nothing but their key is asked for.
    pub(crate) fn by_entity(&mut self, input: Relation) -> Result<Relation, NotFusable> {
        let Rows::Events(events) = &input.rows else { return Ok(input) };
        if !input.columns.iter().all(|column| is_key(column, Some(events))) {
            return NotFusable::because("it has a row per event, not one per entity");
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
    pub(crate) fn key_presence(&mut self, input: Relation) -> Result<Expr, NotFusable> {
        let input = self.by_entity(input)?;
        match (&input.columns[..], input.rows) {
            ([column], Rows::Entities { present }) if is_key(column, None) => Ok(present),
            _ => NotFusable::because(format!("it returns something else than the key of `{}`", self.entity)),
        }
    }

    fn joined(&mut self, join: &Join) -> Result<Relation, NotFusable> {
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
            return NotFusable::because("a join that is not on the entity's key");
        }
        let condition = conjunction(conditions);
        match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => {
                self.semi_join(left, right, condition, schema, join.join_type)
            }
            JoinType::Inner => self.inner_join(left, right, condition, schema),
            JoinType::Left => self.outer_join(left, right, condition, schema, false),
            JoinType::Right => self.outer_join(right, left, condition, schema, true),
            other => NotFusable::because(format!("a {other} join")),
        }
    }

    fn semi_join(
        &mut self,
        left: Relation,
        right: Relation,
        condition: Option<Expr>,
        schema: DFSchemaRef,
        join_type: JoinType,
    ) -> Result<Relation, NotFusable> {
        if condition.is_some() {
            return NotFusable::because("a set operation on more than the key");
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
    ) -> Result<Relation, NotFusable> {
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
            _ => return NotFusable::because("it joins events with events"),
        };
        let joined = Relation { schema, columns, rows };
        match condition {
            None => Ok(joined),
            Some(condition) => self.narrowed(joined, condition),
        }
    }

    /// The rows of a join for which a condition holds that is resolved already.
    fn narrowed(&mut self, mut joined: Relation, condition: Expr) -> Result<Relation, NotFusable> {
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
    ) -> Result<Relation, NotFusable> {
        let in_order = |kept: Vec<Expr>, joined: Vec<Expr>| match kept_is_right {
            true => joined.into_iter().chain(kept).collect(),
            false => kept.into_iter().chain(joined).collect(),
        };
        match (kept.rows, joined.rows) {
            (rows, Rows::Entities { present }) => {
                let matches = and(present, WideColumn::Key.expr().is_not_null());
                let matches = condition.into_iter().fold(matches, and);
                if matches!(rows, Rows::Events(_)) && subject(&matches) == Subject::Both {
                    return NotFusable::because("a LEFT JOIN on columns of events and entities");
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
                        _ => return NotFusable::because("a LEFT JOIN of events on columns of the entity"),
                    }
                }
                if events.entity != lit(true) {
                    return NotFusable::because("a LEFT JOIN of events that depend on their entity");
                }
                events.entity = present;
                events.optional = true;
                Ok(Relation {
                    schema,
                    columns: in_order(kept.columns, joined.columns),
                    rows: Rows::Events(events),
                })
            }
            _ => NotFusable::because("it joins events with events"),
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
