//! The world as a query sees it at one `as_of`.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemTable, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, TableProvider,
};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::datasource::ViewTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::Optimizer;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{ExecutionPlan, collect_partitioned};
use datafusion::prelude::{DataFrame, SessionContext, ident};
use datafusion::sql::sqlparser::ast;
use futures::FutureExt;
use jiff::Timestamp;
use tracing::Instrument;
use tranche_schema::{Contract, History, TableKind, platform};
use tranche_store::{Lake, Snapshot};

use crate::dialect::Rewrite;
use crate::operators::Operators;
use crate::parallel::Threads;
use crate::rules::{analyzer_rules, optimizer_rules, simplifying};
use crate::{
    Engine, PersonalColumns, SqlError, SqlProblem, clocks, constants, dialect, functions, guards,
    instant_literal, limits, locate,
};

/// The engine at one `as_of`, with the tables that were registered.
#[derive(Clone)]
pub struct Session {
    context: SessionContext,
    as_of: Timestamp,
    personal: Arc<PersonalColumns>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session(as of {})", self.as_of)
    }
}

/// The rows of a query and what they cost.
#[derive(Debug)]
pub struct Collected {
    /// The columns, even when there are no rows.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Rows that were read from tables.
    pub rows_read: u64,
}

impl Collected {
    /// Rows in the result.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

impl Engine {
    /// A session at `as_of`, with no tables yet.
    #[must_use]
    pub fn session(&self, as_of: Timestamp) -> Session {
        let mut state = SessionStateBuilder::new_with_default_features()
            .with_config(self.config())
            .with_runtime_env(self.runtime())
            .with_query_planner(guards::lazily(self.planner()))
            .with_analyzer_rules(analyzer_rules())
            .with_optimizer_rules(optimizer_rules())
            .build();
        let mut all: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(Operators)];
        all.extend(state.expr_planners().iter().cloned());
        state = SessionStateBuilder::new_from_existing(state).with_expr_planners(all).build();
        let context = SessionContext::new_with_state(state);
        for function in functions::all(as_of) {
            context.register_udf(function);
        }
        for function in functions::aggregates() {
            context.register_udaf(function);
        }
        Session { context, as_of, personal: Arc::default() }
    }
}

impl Session {
    /// The instant that this session's results are true for.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// The columns of its tables that hold personal data.
    #[must_use]
    pub fn personal(&self) -> &Arc<PersonalColumns> {
        &self.personal
    }

    /// The same, of which these columns hold personal data.
    #[must_use]
    pub fn with_personal(self, columns: PersonalColumns) -> Self {
        Self { personal: Arc::new(columns), ..self }
    }

    /// The engine's state, for what is built on plans.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.context.state()
    }

    /// The engine's state behind its trait, for commits.
    #[must_use]
    pub fn shared_state(&self) -> Arc<dyn datafusion::catalog::Session> {
        Arc::new(self.context.state())
    }

    /// Registers a contract without data, so that SQL can be planned against it.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when the name is taken.
    pub fn register_empty(&self, name: &str, schema: SchemaRef) -> Result<(), SqlError> {
        self.register(name, Arc::new(EmptyTable::new(schema)))
    }

    /// Forgets what is registered under a name.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when the engine fails.
    pub fn deregister(&self, name: &str) -> Result<(), SqlError> {
        let reference = datafusion::common::TableReference::bare(name.to_owned());
        self.context.deregister_table(reference).map_err(SqlError::engine)?;
        Ok(())
    }

    /// Registers rows under a name; what was there before under that name is replaced.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when the rows do not have the schema.
    pub fn register_rows(
        &self,
        name: &str,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
    ) -> Result<(), SqlError> {
        let table = MemTable::try_new(schema, vec![batches]).map_err(SqlError::engine)?;
        self.register(name, Arc::new(table))
    }

    /// Registers the stored table of a contract, as it is seen at this session's `as_of`.
    pub(crate) fn register_stored(
        &self,
        contract: &Contract,
        provider: Arc<dyn TableProvider>,
    ) -> Result<(), SqlError> {
        let stored = provider.schema();
        // A column that the contract gained after the last load is null in what is stored.
        let columns = contract.columns.iter().map(|column| match stored.field_with_name(&column.name) {
            Ok(_) => ident(&column.name),
            Err(_) => Expr::Literal(null_of(&column.data_type), None).alias(&column.name),
        });
        let frame = self.context.read_table(provider).map_err(SqlError::engine)?;
        let frame = frame.filter(self.visible(contract)).map_err(SqlError::engine)?;
        let frame = frame.select(columns.collect::<Vec<_>>()).map_err(SqlError::engine)?;
        self.register(&contract.table, Arc::new(ViewTable::new(frame.logical_plan().clone(), None)))
    }

    /// Registers a platform table under a name; nothing when it was never written.
    ///
    /// # Errors
    /// [`SqlError::Store`] when the table cannot be read.
    pub async fn register_platform(
        &self,
        lake: &Lake,
        folder: &str,
        name: &str,
        schema: SchemaRef,
    ) -> Result<(), SqlError> {
        match lake.snapshot(folder).await? {
            Some(snapshot) => self.register(name, snapshot.provider(&self.context.state()).await?),
            None => self.register_empty(name, schema),
        }
    }

    /// A stored table, all of it, as a frame to build on.
    ///
    /// # Errors
    /// [`SqlError::Store`] when the table cannot be read.
    pub async fn read(&self, snapshot: &Snapshot) -> Result<DataFrame, SqlError> {
        let provider = snapshot.provider(&self.context.state()).await?;
        self.context.read_table(provider).map_err(SqlError::engine)
    }

    /// Rows as a frame to build on.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when the batches differ in schema.
    pub fn frame(&self, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<DataFrame, SqlError> {
        let table = MemTable::try_new(schema, vec![batches]).map_err(SqlError::engine)?;
        self.context.read_table(Arc::new(table)).map_err(SqlError::engine)
    }

    /// Plans one SELECT, as `rewrite` has it.
    ///
    /// # Errors
    /// [`SqlProblem`]: the author's mistake, at its position in `sql`.
    pub async fn plan(&self, sql: &str, rewrite: &dyn Rewrite) -> Result<LogicalPlan, SqlProblem> {
        let (statement, state) = (dialect::parse(sql, rewrite)?, self.context.state());
        let planned = limits::in_time(async move {
            let plan = state.statement_to_plan(statement).await?;
            guard(&plan)?;
            // Types are checked when the plan is analysed, so that mistakes are found before a run.
            state.optimize(&plan)?;
            Ok(plan)
        });
        in_words(planned.await, sql, rewrite)
    }

    /// The same engine at the same instant, with no tables: for planning apart from data.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when the engine fails.
    pub fn without_tables(&self) -> Result<Self, SqlError> {
        let catalog = MemoryCatalogProvider::new();
        let _ = catalog
            .register_schema("public", Arc::new(MemorySchemaProvider::new()))
            .map_err(SqlError::engine)?;
        let catalogs = MemoryCatalogProviderList::new();
        let _ = catalogs.register_catalog("datafusion".to_owned(), Arc::new(catalog));
        let state = SessionStateBuilder::new_from_existing(self.context.state())
            .with_catalog_list(Arc::new(catalogs))
            .build();
        Ok(Self { context: SessionContext::new_with_state(state), ..self.clone() })
    }

    /// Plans one SELECT and leaves it as its author wrote it, but for types: each subquery, join and view stands where it stood, and types
    /// agree. Such a plan is the same at every instant.
    ///
    /// # Errors
    /// [`SqlProblem`]: the author's mistake, at its position in `sql`.
    pub async fn analysed(&self, sql: &str, rewrite: &dyn Rewrite) -> Result<LogicalPlan, SqlProblem> {
        let (statement, state) = (dialect::parse(sql, rewrite)?, self.context.state());
        let planned = limits::in_time(async move {
            let plan = state.statement_to_plan(statement).await?;
            guard(&plan)?;
            state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})
        });
        in_words(planned.await, sql, rewrite)
    }

    /// A plan of `sql` that a session at any instant analysed, with literals for what `as_of()` makes constant.
    ///
    /// # Errors
    /// [`SqlProblem`]: a constant that cannot be computed, at its position in `sql`.
    pub fn at_as_of(&self, plan: LogicalPlan, sql: &str) -> Result<LogicalPlan, SqlProblem> {
        limits::deep(|| self.folded(plan)).map_err(|error| locate::problem(&error, sql))
    }

    fn folded(&self, plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
        let now = functions::as_of(self.as_of);
        let state = self.context.state();
        let clocked = |expr: Expr| match expr {
            Expr::ScalarFunction(call) if call.func.name() == now.name() => Ok(Transformed::yes(
                Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&now), call.args)),
            )),
            other => Ok(Transformed::no(other)),
        };
        let plan = plan
            .transform_up_with_subqueries(|plan| plan.map_expressions(|expr| expr.transform_up(clocked)))?
            .data;
        let constants = Optimizer::with_rules(simplifying());
        constants.optimize(plan, &state, |_, _| {})
    }

    /// Threads that work on one query.
    #[must_use]
    pub fn threads(&self) -> Threads {
        Threads::new(self.context.copied_config().target_partitions())
    }

    /// A plan after the engine's own optimisation.
    ///
    /// # Errors
    /// [`SqlError`] when the engine fails.
    pub fn optimized(&self, plan: &LogicalPlan) -> Result<LogicalPlan, SqlError> {
        limits::deep(|| self.context.state().optimize(plan)).map_err(SqlError::engine)
    }

    /// Plans an expression over the rows of a schema, as definitions in YAML have them.
    ///
    /// # Errors
    /// [`SqlProblem`]: the author's mistake, at its position in `sql`.
    pub fn expression(&self, sql: &str, schema: &DFSchema) -> Result<Expr, SqlProblem> {
        let expr = self.logical(sql, schema)?;
        // Types are checked now, so that mistakes are found before a run.
        limits::deep(|| self.physical_expression(expr.clone(), schema))
            .map_err(|error| locate::problem(&error, sql))?;
        Ok(expr)
    }

    /// An expression before its types are checked.
    pub(crate) fn logical(&self, sql: &str, schema: &DFSchema) -> Result<Expr, SqlProblem> {
        let parsed = dialect::parse_expression(sql)?;
        self.logical_of(parsed, schema).map_err(|error| locate::problem(&error, sql))
    }

    pub(crate) fn logical_of(&self, expr: ast::Expr, schema: &DFSchema) -> Result<Expr, DataFusionError> {
        let parsed = ast::ExprWithAlias { expr, alias: None };
        let expr = limits::deep(|| self.context.state().create_logical_expr_from_sql_expr(parsed, schema))?;
        clocks::check(&expr)?;
        constants::check(&expr)?;
        Ok(expr)
    }

    /// The same instant over another state of the engine.
    pub(crate) fn with_context(&self, context: SessionContext) -> Self {
        Self { context, ..self.clone() }
    }

    /// Plans an expression over the rows of a contract's table.
    ///
    /// # Errors
    /// [`SqlProblem`]: the author's mistake, at its position in `sql`.
    pub fn row_expression(&self, contract: &Contract, sql: &str) -> Result<Expr, SqlProblem> {
        self.expression(sql, &self.row_schema(contract, sql)?)
    }

    /// An expression over the rows of a contract's table, to be evaluated batch by batch.
    ///
    /// # Errors
    /// [`SqlProblem`]: the author's mistake, at its position in `sql`.
    pub fn row_physical(&self, contract: &Contract, sql: &str) -> Result<Arc<dyn PhysicalExpr>, SqlProblem> {
        let schema = self.row_schema(contract, sql)?;
        self.physical_expression(self.logical(sql, &schema)?, &schema)
            .map_err(|error| locate::problem(&error, sql))
    }

    /// The type of an expression over the rows of a contract's table.
    ///
    /// # Errors
    /// [`SqlProblem`]: the author's mistake, at its position in `sql`.
    pub fn row_expression_type(&self, contract: &Contract, sql: &str) -> Result<DataType, SqlProblem> {
        let schema = self.row_schema(contract, sql)?;
        self.expression(sql, &schema)?.get_type(&schema).map_err(|error| locate::problem(&error, sql))
    }

    fn row_schema(&self, contract: &Contract, sql: &str) -> Result<DFSchema, SqlProblem> {
        DFSchema::try_from(contract.arrow_schema()).map_err(|error| locate::problem(&error, sql))
    }

    /// Runs a plan.
    ///
    /// # Errors
    /// [`SqlError`] with who is at fault.
    pub async fn collect(&self, plan: &LogicalPlan) -> Result<Collected, SqlError> {
        let span =
            tracing::info_span!("query", rows_read = tracing::field::Empty, rows = tracing::field::Empty);
        let collected = match self.collected(plan).instrument(span.clone()).await {
            Err(error @ SqlError::Data(_)) => {
                let row = self.culprit(plan).await.map(|row| SqlError::Row(Box::new(row)));
                return Err(row.unwrap_or_else(|| self.of_values(error)));
            }
            collected => collected.map_err(|error| self.of_values(error))?,
        };
        // OpenTelemetry has signed integers only.
        let count = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
        span.record("rows_read", count(collected.rows_read)).record("rows", count(collected.rows() as u64));
        Ok(collected)
    }

    /// What a query failed with; without values where they may be personal.
    fn of_values(&self, error: SqlError) -> SqlError {
        if self.personal.is_empty() { error } else { error.without_values() }
    }

    /// Runs a frame.
    ///
    /// # Errors
    /// [`SqlError`] with who is at fault.
    pub async fn collect_frame(&self, frame: DataFrame) -> Result<Collected, SqlError> {
        self.collect(frame.logical_plan()).await
    }

    async fn collected(&self, plan: &LogicalPlan) -> Result<Collected, SqlError> {
        let state = self.context.state();
        let physical = limits::Deep::new(state.create_physical_plan(plan)).await.map_err(SqlError::engine)?;
        let schema = physical.schema();
        // In the order of the partitions, so that the same rows come in the same order.
        let partitions = collect_partitioned(Arc::clone(&physical), self.context.task_ctx())
            .boxed()
            .await
            .map_err(SqlError::from)?;
        let batches = partitions.into_iter().flatten().collect();
        Ok(Collected { schema, batches, rows_read: rows_read(physical.as_ref()) })
    }

    /// The table registered under a name as a frame to build on.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when there is none.
    pub async fn table(&self, name: &str) -> Result<DataFrame, SqlError> {
        let reference = datafusion::common::TableReference::bare(name.to_owned());
        self.context.table(reference).boxed().await.map_err(SqlError::engine)
    }

    /// A logical plan as a frame to build on.
    #[must_use]
    pub fn frame_of(&self, plan: LogicalPlan) -> DataFrame {
        DataFrame::new(self.context.state(), plan)
    }

    fn register(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<(), SqlError> {
        self.deregister(name)?;
        let reference = datafusion::common::TableReference::bare(name.to_owned());
        self.context.register_table(reference, table).map_err(SqlError::engine)?;
        Ok(())
    }

    /// Events before `as_of`, entity rows valid at it.
    fn visible(&self, contract: &Contract) -> Expr {
        let now = instant_literal(self.as_of);
        match &contract.kind {
            TableKind::Event { event_time, .. } => ident(event_time).lt(now),
            TableKind::Entity { history: History::Full, .. } => {
                let until = ident(platform::VALID_TO);
                let open = until.clone().is_null().or(until.gt(now.clone()));
                ident(platform::VALID_FROM).lt_eq(now).and(open)
            }
            TableKind::Entity { history: History::Latest, .. } => datafusion::logical_expr::lit(true),
        }
    }
}

/// Refuses what the engine would plan, and should not: constants without measure, and functions that change.
fn guard(plan: &LogicalPlan) -> Result<(), DataFusionError> {
    clocks::check_plan(plan)?;
    constants::check_plan(plan)
}

/// What planning came to; `None` when it took too long.
fn in_words(
    planned: Option<Result<LogicalPlan, DataFusionError>>,
    sql: &str,
    rewrite: &dyn Rewrite,
) -> Result<LogicalPlan, SqlProblem> {
    match planned {
        Some(planned) => planned.map_err(|error| rewrite.explain(locate::problem(&error, sql))),
        None => Err(locate::takes_too_long(sql)),
    }
}

fn null_of(data_type: &arrow::datatypes::DataType) -> datafusion::scalar::ScalarValue {
    datafusion::scalar::ScalarValue::try_from(data_type).unwrap_or(datafusion::scalar::ScalarValue::Null)
}

fn rows_read(plan: &dyn ExecutionPlan) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        return plan.metrics().and_then(|m| m.output_rows()).unwrap_or_default() as u64;
    }
    children.into_iter().map(|child| rows_read(child.as_ref())).sum()
}
