//! The check of a source without its data: `check` plans an expression as a load does, as far as the types of raw columns are known.

use arrow::datatypes::{DataType, Field, Schema};
use tranche_project::{Problems, SourceFile, Spanned};
use tranche_schema::Contract;
use tranche_sql::{Session, SqlProblem, dialect, names};

use crate::Source;
use crate::convert::refused;
use crate::mapping::raw_field;

/// Checks the mapping of a source: its SQL, and whether the types of raw columns go together with those of the table.
pub fn check_mapping(
    source: &Source,
    contract: &Contract,
    session: &Session,
    file: &SourceFile,
    problems: &mut Problems,
) {
    let raw = session.for_raw_rows();
    for (column, sql) in &source.columns {
        if contract.column(column).is_none() {
            let known: Vec<&str> = contract.columns.iter().map(|c| c.name.as_str()).collect();
            let message =
                format!("table `{}` has no column `{column}`; it has {}", contract.table, known.join(", "));
            problems.report(file, sql.referenced, message);
        }
        let refusal = match planned(source, &raw, sql) {
            Err(problem) => {
                let help = problem
                    .help
                    .unwrap_or_else(|| "columns here are those of the raw file, not of the table".to_owned());
                let at = file.inside(sql, problem.position);
                problems.push(file.problem(at, problem.message).with_help(help));
                continue;
            }
            Ok(data_type) => contract
                .column(column)
                .zip(data_type)
                .and_then(|(own, computed)| refused(&computed, &own.data_type, column)),
        };
        if let Some(message) = refusal {
            problems.report(file, sql.referenced, message);
        }
    }
    check_by_name(source, contract, file, problems);
}

/// The type of an expression over raw rows; none where only the file tells it.
fn planned(source: &Source, raw: &Session, sql: &Spanned<String>) -> Result<Option<DataType>, SqlProblem> {
    let names = dialect::column_places(&sql.value);
    for (name, at) in &names {
        if let Some(help) = names::write_quoted(name, source.types.keys().map(String::as_str)) {
            return Err(SqlProblem::new(*at, format!("`types` declares no column `{name}`")).with_help(help));
        }
    }
    let fields: Option<Vec<Field>> = names.iter().map(|(name, _)| raw_field(source, name)).collect();
    let Some(fields) = fields else {
        // What is known of any type is checked where the type is not.
        return raw.mistake_whatever_types(&sql.value).map_or(Ok(None), Err);
    };
    let schema = Schema::new(fields);
    let expr = raw.raw_expression(&sql.value, &schema)?;
    Ok(expr.exact.data_type(&schema).ok())
}

/// Columns that are taken by name, as far as their raw types are declared.
fn check_by_name(source: &Source, contract: &Contract, file: &SourceFile, problems: &mut Problems) {
    for column in contract.columns.iter().filter(|column| !source.columns.contains_key(&column.name)) {
        if let Some(declared) = source.types.get(&column.name)
            && let Some(reason) = refused(&declared.data_type, &column.data_type, &column.name)
        {
            problems.report(file, declared.at, format!("column `{}`: {reason}", column.name));
        }
    }
}
