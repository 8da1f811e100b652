//! Metrics against the contracts, and against each other.

use arrow::datatypes::DataType;
use indexmap::IndexMap;
use tranche_project::{Position, Problems, Spanned};
use tranche_schema::Contract;
use tranche_sql::Session;

use super::metric::{Fact, Metric, MetricKind, Missing};
use super::metrics::Metrics;

/// Checks every metric against the contracts and each other; reports every problem.
pub fn check(
    metrics: &Metrics,
    contracts: &IndexMap<String, Contract>,
    session: &Session,
    problems: &mut Problems,
) {
    for metric in metrics.0.values() {
        let checking = Checking { metric, contracts, session };
        match &metric.kind {
            MetricKind::Mean(fact)
            | MetricKind::Proportion(fact)
            | MetricKind::Count(fact)
            | MetricKind::Quantile { fact, .. }
            | MetricKind::Retention { fact, .. } => checking.fact(fact, problems),
            MetricKind::Funnel { steps, .. } => {
                for step in steps {
                    checking.events(&step.table, None, step.filter.as_ref(), problems);
                }
            }
            MetricKind::Ratio { numerator, denominator } => {
                for part in [numerator, denominator] {
                    match metrics.get(&part.value) {
                        None => problems.report(&metric.file, part.referenced, metrics.unknown(&part.value)),
                        Some(other) if !other.is_additive() || other.missing == Missing::Exclude => {
                            let message = format!(
                                "`{}` does not add up over units; a ratio is made of metrics of type mean, proportion or count in \
                                 which every unit counts",
                                part.value
                            );
                            problems.report(&metric.file, part.referenced, message);
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
}

/// What the facts of a metric are checked against.
struct Checking<'a> {
    metric: &'a Metric,
    contracts: &'a IndexMap<String, Contract>,
    session: &'a Session,
}

impl Checking<'_> {
    fn fact(&self, fact: &Fact, problems: &mut Problems) {
        self.events(&fact.table, fact.value.as_ref(), fact.filter.as_ref(), problems);
    }

    /// Checks which events of a table count, and their value.
    fn events(
        &self,
        table: &Spanned<String>,
        value: Option<&Spanned<String>>,
        filter: Option<&Spanned<String>>,
        problems: &mut Problems,
    ) {
        let file = &self.metric.file;
        let Some(contract) = self.contracts.get(&table.value) else {
            let known: Vec<&str> = self
                .contracts
                .values()
                .filter(|c| c.event_time().is_some())
                .map(|c| c.table.as_str())
                .collect();
            let message =
                format!("there is no table `{}`; event tables are {}", table.value, known.join(", "));
            return problems.push(file.problem(table.referenced, message).with_missing_table(&table.value));
        };
        if contract.event_time().is_none() {
            let message = format!("`{}` is not an event table; a fact is a value per event", table.value);
            return problems.report(file, table.referenced, message);
        }
        let mut type_of = |sql: &Spanned<String>| match self.session.row_expression_type(contract, &sql.value)
        {
            Ok(data_type) => Some(data_type),
            Err(problem) => {
                problems.push(
                    file.problem(file.inside(sql, problem.position), problem.message)
                        .with_help_if(problem.help),
                );
                None
            }
        };
        let types = (value.and_then(&mut type_of), filter.and_then(&mut type_of));
        let is_number = |t: &DataType| t.is_numeric() || *t == DataType::Boolean || t.is_null();
        if let (Some(value), Some(found)) = (value, types.0.filter(|t| !is_number(t))) {
            let message = format!("`value` is a number for each event, not a {found}");
            problems.report(file, file.inside(value, Position::START), message);
        }
        if let (Some(filter), Some(_)) = (filter, types.1.filter(|t| *t != DataType::Boolean && !t.is_null()))
        {
            problems.report(
                file,
                file.inside(filter, Position::START),
                "`where` must be true or false for each event",
            );
        }
    }
}
