//! SQL expressions over the rows of one schema, as definitions in YAML have them, planned to be evaluated batch by batch.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, Result};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast;

use crate::guards::guarded;
use crate::locate::UnknownName;
use crate::raw_text::RawText;
use crate::{Session, SqlProblem, dialect, in_list_rule, locate, numbers_rule, raw_nested, raw_text, zeros};

/// An expression over raw rows, in which texts are read as what it needs.
#[derive(Debug, Clone)]
pub struct RowExpression {
    /// With numbers in texts as exact decimals: what it fails for is either wrong or has too many digits for that.
    pub exact: Arc<dyn PhysicalExpr>,
    /// With numbers in texts as floating point, for rows that `exact` fails for; none where the expression reads none from texts.
    pub wide: Option<Arc<dyn PhysicalExpr>>,
}

impl Session {
    /// A session in which expressions read texts as what they need, for raw rows.
    #[must_use]
    pub fn for_raw_rows(&self) -> Self {
        let state = self.state();
        let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(RawText)];
        planners.extend(state.expr_planners().iter().cloned());
        let state = SessionStateBuilder::new_from_existing(state).with_expr_planners(planners).build();
        self.with_context(SessionContext::new_with_state(state))
    }

    /// Plans an expression over raw rows of a schema; `self` is a session [for raw rows](Self::for_raw_rows).
    ///
    /// # Errors
    /// [`SqlProblem`]: the author's mistake, at its position in `sql`.
    pub fn raw_expression(
        &self,
        sql: &str,
        schema: &Schema,
    ) -> std::result::Result<RowExpression, SqlProblem> {
        let located = |error: DataFusionError| locate::problem(&error, sql);
        let schema = DFSchema::try_from(schema.clone()).map_err(located)?;
        let mut parsed = dialect::parse_expression(sql)?;
        if let Some(problem) = raw_nested::taken_from_text(&parsed, &schema) {
            return Err(problem);
        }
        let written = parsed.clone();
        raw_text::with_two_operands(&mut parsed);
        self.planned_over(parsed, &schema)
            .map_err(|error| raw_nested::passed_as_text(&written, &schema).unwrap_or_else(|| located(error)))
    }

    fn planned_over(&self, parsed: ast::Expr, schema: &DFSchema) -> Result<RowExpression> {
        let expr = raw_text::read(self.logical_of(parsed, schema)?, schema)?;
        let wide = raw_text::widened(expr.clone())?;
        let wide = wide.map(|wide| self.physical_expression(wide, schema));
        let exact = self.physical_expression(expr, schema)?;
        Ok(RowExpression { exact, wide: wide.transpose()? })
    }

    /// The first mistake of an expression that does not depend on the types of what it is over.
    #[must_use]
    pub fn mistake_whatever_types(&self, sql: &str) -> Option<SqlProblem> {
        let mut parsed = match dialect::parse_expression(sql) {
            Ok(parsed) => parsed,
            Err(problem) => return Some(problem),
        };
        raw_text::with_two_operands(&mut parsed);
        let names = dialect::columns(sql);
        let untyped: Vec<Field> = names.iter().map(|name| Field::new(name, DataType::Null, true)).collect();
        let schema = DFSchema::try_from(Schema::new(untyped)).ok()?;
        let error = self.logical_of(parsed, &schema).err()?;
        let is_unknown = matches!(locate::unknown_name(&error), Some(UnknownName::Function(_)));
        is_unknown.then(|| locate::problem(&error, sql))
    }

    /// An expression as it is evaluated: with types that agree, simplified as queries are, and guarded.
    ///
    /// # Errors
    /// Those of the engine, when types do not agree.
    pub fn physical_expression(&self, expr: Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
        let state = self.state();
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(schema.clone()))
            .with_config_options(Arc::clone(state.config_options()))
            .build();
        let simplifier = ExprSimplifier::new(context);
        // Some functions have no other meaning than what they are simplified to.
        let expr = simplifier.coerce(numbers_rule::with_floats(expr, schema)?, schema)?;
        let expr = numbers_rule::exact(expr, schema)?;
        let expr = simplifier.simplify(in_list_rule::as_value(expr)?)?;
        let expr = zeros::one_zero(expr, schema)?.data;
        state.create_physical_expr(guarded(expr, schema)?.data, schema)
    }
}
