//! Every mistake of one statement. The engine stops at the first name that it does not know; here each such name gets a
//! meaning that nothing else can contradict, and the statement is planned again.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider,
};
use datafusion::common::{Column, Result, TableReference};
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{
    ColumnarValue, ScalarUDF, Signature, SimpleScalarUDF, TypeSignature, Volatility,
};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Select, SelectItem, Spanned, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use tranche_project::Position;

use crate::dialect::Rewrite;
use crate::locate::UnknownName;
use crate::names::{as_read, write_quoted};
use crate::{Session, SqlProblem, dialect, locate};

/// The most mistakes that are reported of one statement.
const MOST: usize = 20;

impl Session {
    /// The mistakes of a statement that [`Session::plan`] refuses, in the order of the text; none when it can be planned.
    ///
    /// Names that are not known are all reported. A mistake of another kind, such as a wrong type, is reported when it is
    /// the first: behind an unknown name nothing certain can be said about types.
    pub async fn mistakes(&self, sql: &str, rewrite: &dyn Rewrite) -> Vec<SqlProblem> {
        let Err(first) = self.plan(sql, rewrite).await else { return Vec::new() };
        let Ok(query) = dialect::parse_query(sql) else { return vec![first] };
        let mut found = dialect::clocks(query.as_ref());
        match dialect::rewritten(query, rewrite) {
            Ok(statement) => {
                let unknown = self.unknown_names(statement, sql).await;
                found.extend(unknown.into_iter().map(|problem| rewrite.explain(problem)));
            }
            Err(problem) => found.push(problem),
        }
        if found.is_empty() {
            return vec![first];
        }
        found.sort_by_key(|problem| (problem.position.line, problem.position.column));
        found.dedup_by_key(|problem| problem.position);
        found
    }

    async fn unknown_names(&self, mut statement: Statement, sql: &str) -> Vec<SqlProblem> {
        let mut found = Vec::new();
        let Ok(mut names) = Names::of(self, &statement).await else { return found };
        while found.len() < MOST {
            let Err(error) = names.context.state().statement_to_plan(statement.clone()).await else { break };
            let Some(unknown) = locate::unknown_name(&error) else { break };
            let mut problem = locate::problem(&error, sql);
            let supplied = match unknown {
                UnknownName::Column { field, valid } => {
                    let valid: Vec<Column> = valid
                        .iter()
                        .filter(|column| !names.supplied.contains(&column.name))
                        .cloned()
                        .collect();
                    problem = locate::unknown_column(field, &valid, sql);
                    let mut nulls = Nulls { column: field, positions: Vec::new(), replaced: false };
                    if let Statement::Statement(select) = &mut statement {
                        let _: ControlFlow<()> = VisitMut::visit(select.as_mut(), &mut nulls);
                    }
                    problem.position = nulls
                        .positions
                        .into_iter()
                        .min_by_key(|at| (at.line, at.column))
                        .unwrap_or(problem.position);
                    nulls.replaced
                }
                UnknownName::Table(table) => {
                    let known = || names.tables.iter().map(String::as_str);
                    let near = || known().find(|name| tranche_project::is_near(name, &table));
                    let quoted = write_quoted(&table, known());
                    problem.help = quoted.or_else(|| near().map(|near| format!("did you mean `{near}`?")));
                    names.supply_table(&table)
                }
                UnknownName::Function(function) => names.supply_function(&function),
            };
            found.push(problem);
            if !supplied {
                break;
            }
        }
        found
    }
}

/// The tables and functions of a session, and besides them what a statement takes to be there.
struct Names {
    context: SessionContext,
    /// What may be a column of a table that is not there: every name without a qualifier that no table has.
    supplied: BTreeSet<String>,
    mentioned: Mentioned,
    /// The tables of the session.
    tables: Vec<String>,
    seen: HashSet<String>,
}

impl Names {
    async fn of(session: &Session, statement: &Statement) -> Result<Self> {
        let state = session.state();
        let (known, own) = (state.schema_for_ref("any")?, MemorySchemaProvider::new());
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema("public", Arc::new(own))?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog("datafusion".to_owned(), Arc::new(catalog));
        let state =
            SessionStateBuilder::new_from_existing(state).with_catalog_list(Arc::new(catalogs)).build();
        let context = SessionContext::new_with_state(state);
        let mentioned = Mentioned::in_statement(statement);
        let mut supplied = mentioned.columns.clone();
        for name in known.table_names() {
            let Some(table) = known.table(&name).await? else { continue };
            if mentioned.tables.contains(&name) {
                for field in table.schema().fields() {
                    supplied.remove(field.name());
                }
            }
            context.register_table(TableReference::bare(name), table)?;
        }
        Ok(Self { context, supplied, mentioned, tables: known.table_names(), seen: HashSet::new() })
    }

    /// A table without rows that has every column that the statement may take from it.
    fn supply_table(&mut self, name: &str) -> bool {
        let own = self.mentioned.columns_of(name);
        let columns: BTreeSet<&str> = self.supplied.iter().map(String::as_str).chain(own).collect();
        let fields = columns.into_iter().map(|column| Field::new(column, DataType::Null, true));
        let table = EmptyTable::new(Arc::new(Schema::new(fields.collect::<Vec<_>>())));
        let registered = self.context.register_table(TableReference::bare(name), Arc::new(table));
        self.seen.insert(format!("table {name}")) && registered.is_ok()
    }

    /// A function that takes anything and gives NULL.
    fn supply_function(&mut self, name: &str) -> bool {
        let anything = TypeSignature::OneOf(vec![TypeSignature::VariadicAny, TypeSignature::Nullary]);
        let null = Arc::new(|_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(ScalarValue::Null)));
        let signature = Signature::new(anything, Volatility::Stable);
        let function = SimpleScalarUDF::new_with_signature(name, signature, DataType::Null, null);
        self.context.register_udf(ScalarUDF::from(function));
        self.seen.insert(format!("function {name}"))
    }
}

/// The names in a statement.
#[derive(Default)]
struct Mentioned {
    tables: BTreeSet<String>,
    /// Columns without a qualifier.
    columns: BTreeSet<String>,
    /// Columns with one: qualifier and name.
    qualified: Vec<(String, String)>,
    /// Tables with another name: table and alias.
    aliases: Vec<(String, String)>,
}

impl Mentioned {
    fn in_statement(statement: &Statement) -> Self {
        let mut mentioned = Self::default();
        if let Statement::Statement(statement) = statement {
            let _: ControlFlow<()> = Visit::visit(statement.as_ref(), &mut mentioned);
        }
        mentioned
    }

    /// The columns that are taken from a table by its name or an alias.
    fn columns_of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a str> {
        let is_it = move |qualifier: &str| {
            qualifier == table || self.aliases.iter().any(|(of, alias)| of == table && alias == qualifier)
        };
        self.qualified
            .iter()
            .filter(move |(qualifier, _)| is_it(qualifier))
            .map(|(_, column)| column.as_str())
    }
}

impl Visitor for Mentioned {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, .. } = factor
            && let Some(table) = name.0.last().and_then(|part| part.as_ident())
        {
            self.tables.insert(as_read(table));
            self.aliases.extend(alias.iter().map(|alias| (as_read(table), as_read(&alias.name))));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => {
                self.columns.insert(as_read(ident));
            }
            Expr::CompoundIdentifier(parts) => {
                if let [.., qualifier, column] = parts.as_slice() {
                    self.qualified.push((as_read(qualifier), as_read(column)));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Puts NULL wherever a column is mentioned, under its name where it is selected.
struct Nulls<'a> {
    column: &'a Column,
    positions: Vec<Position>,
    replaced: bool,
}

impl Nulls<'_> {
    fn is_meant(&self, expr: &Expr) -> bool {
        let parts = match expr {
            Expr::Identifier(ident) => std::slice::from_ref(ident),
            Expr::CompoundIdentifier(parts) => parts.as_slice(),
            _ => return false,
        };
        let relation = self.column.relation.as_ref().map(TableReference::table);
        let [before @ .., last] = parts else { return false };
        as_read(last) == self.column.name && before.last().map(as_read).as_deref() == relation
    }

    fn replace(&mut self, expr: &mut Expr) {
        let start = expr.span().start;
        // What a rewrite put there may stand nowhere in the text.
        if start.line > 0 {
            self.positions.push(Position { line: start.line, column: start.column });
        }
        *expr = Expr::Value(Value::Null.into());
        self.replaced = true;
    }
}

impl VisitorMut for Nulls<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && self.is_meant(expr)
            {
                let alias = Ident::with_quote('"', &self.column.name);
                self.replace(expr);
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.is_meant(expr) {
            self.replace(expr);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::AsWritten;
    use crate::{Engine, EngineOptions};

    async fn check(sql: &str, expected: &[&str]) {
        let session = Engine::new(&EngineOptions::default()).unwrap().session(jiff::Timestamp::UNIX_EPOCH);
        let people = Schema::new(vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("country", DataType::Utf8, true),
        ]);
        let orders = Schema::new(vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("amount", DataType::Float64, true),
        ]);
        session.register_empty("people", Arc::new(people)).unwrap();
        session.register_empty("orders", Arc::new(orders)).unwrap();
        let found = session.mistakes(sql, &AsWritten).await;
        let shown: Vec<String> =
            found.iter().map(|p| format!("{}:{}: {p}", p.position.line, p.position.column)).collect();
        assert_eq!(shown, expected, "{sql}");
    }

    #[tokio::test]
    async fn every_unknown_name_is_reported_once_where_it_stands_first() {
        check("SELECT id FROM people WHERE country = 'DE'", &[]).await;
        check(
            "SELECT id, contry FROM people\nWHERE contry = 'DE' AND years(born) > 3 AND id IN (SELECT id FROM ordres)",
            &[
                "1:12: there is no column `contry`",
                "2:25: there is no function `years`",
                "2:31: there is no column `born`",
                "2:67: there is no table `ordres`",
            ],
        )
        .await;
        check(
            "WITH big AS (SELECT id, amout FROM orders) SELECT big.id FROM big WHERE big.amout > 3 AND other = 1",
            &["1:25: there is no column `amout`", "1:91: there is no column `other`"],
        )
        .await;
        check(
            "SELECT p.id FROM people p JOIN ordres o ON p.id = o.id WHERE o.amount > 3 AND p.contry = 'DE'",
            &["1:32: there is no table `ordres`", "1:79: there is no column `p.contry`"],
        )
        .await;
    }

    #[tokio::test]
    async fn what_may_be_a_column_of_an_unknown_table_is_not_a_mistake() {
        check("SELECT id FROM ordres WHERE amount > 3 AND paid", &["1:16: there is no table `ordres`"]).await;
    }

    #[tokio::test]
    async fn clocks_are_reported_with_the_rest() {
        check(
            "SELECT id FROM orders WHERE amout > random() AND getdate() > at",
            &[
                "1:29: there is no column `amout`",
                "1:37: `random` changes from run to run; a definition must give the same result at the same as_of",
                "1:50: `getdate` changes from run to run; a definition must give the same result at the same as_of",
                "1:62: there is no column `at`",
            ],
        )
        .await;
    }

    #[tokio::test]
    async fn a_mistake_of_another_kind_stands_alone() {
        check("SELECT id FROM people WHERE (country = 'DE'", &["1:44: expected: ), found: the end"]).await;
        check("SELECT 'open", &["1:8: the text in single quotes is not closed"]).await;
        let deep = format!("SELECT {}1{}", "(".repeat(201), ")".repeat(201));
        check(&deep, &["1:208: this statement is nested too deeply: at most 200 are allowed (`limits.sql_depth` in tranche.yaml)"])
            .await;
    }
}
