//! The rules by which plans are analysed and optimised: the engine's, and ours among them.

use std::sync::Arc;

use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerRule};

use crate::guards;
use crate::in_list_rule::InListRule;
use crate::intervals::Intervals;
use crate::numbers_rule::{FloatsRule, NumbersRule};
use crate::subqueries::SubqueryRule;
use crate::ties::{LimitRule, TiesRule};
use crate::zeros::{OrdersRule, ZerosRule};

/// The engine's rules, and ours around the one that makes types agree.
pub(crate) fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let coercion = TypeCoercion::new();
    let around = |rule: Arc<dyn AnalyzerRule + Send + Sync>| -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
        match rule.name() == coercion.name() {
            true => vec![Arc::new(FloatsRule), rule, Arc::new(NumbersRule), Arc::new(OrdersRule)],
            false => vec![rule],
        }
    };
    Analyzer::new().rules.into_iter().flat_map(around).collect()
}

/// The engine's rules, and ours before the one that it guards.
pub(crate) fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let simplifies = SimplifyExpressions::new();
    let guard = |rule: Arc<dyn OptimizerRule + Send + Sync>| {
        let ours: Option<Arc<dyn OptimizerRule + Send + Sync>> =
            (rule.name() == simplifies.name()).then(|| Arc::new(InListRule) as _);
        ours.into_iter().chain(std::iter::once(rule))
    };
    let first: [Arc<dyn OptimizerRule + Send + Sync>; 2] = [Arc::new(SubqueryRule), Arc::new(LimitRule)];
    let rules = Optimizer::new().rules.into_iter().flat_map(guard);
    let rules = rules.flat_map(guards::before_common_parts);
    // Constants are folded before, and columns that nothing needs are gone.
    let last: [Arc<dyn OptimizerRule + Send + Sync>; 3] =
        [Arc::new(Intervals), Arc::new(ZerosRule), Arc::new(TiesRule)];
    first.into_iter().chain(rules).chain(last).collect()
}

/// The rules by which constants are folded, and nothing else changes.
pub(crate) fn simplifying() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![Arc::new(InListRule), Arc::new(SimplifyExpressions::new())]
}
