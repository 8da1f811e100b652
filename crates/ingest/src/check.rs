//! The check of a source: `check` plans an expression as a load does, as far as the types of raw columns are known.
//!
//! They are declared, or text; where only files tell them, one within the project does. What is declared is the author's word, which a
//! load holds files to: the next file may be another.

use std::path::Path;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tranche_project::{Problems, SourceFile, Spanned};
use tranche_schema::Contract;
use tranche_sql::{Session, SqlProblem, dialect, names};

use crate::Source;
use crate::convert::refused;
use crate::mapping::raw_field;
use crate::raw_types::known_type;
use crate::read::{Input, Origin};

/// A source, and the table that it goes into.
#[derive(Debug, Clone, Copy)]
pub struct SourceCheck<'a> {
    /// The source.
    pub source: &'a Source,
    /// The contract of its table.
    pub contract: &'a Contract,
    /// A file that it would read, where one tells what is declared nowhere.
    pub sample: Option<&'a SampleFile>,
}

/// A raw file and its columns.
#[derive(Debug)]
pub struct SampleFile {
    name: String,
    schema: SchemaRef,
}

impl SampleFile {
    /// The newest file of a source within the project, where files bring their types; none where there is none that can be read: a load
    /// will say so.
    ///
    /// Files elsewhere are not looked at: whoever checks the definitions of others would show what is on their machine.
    pub async fn find(source: &Source, origin: Origin<'_>) -> Option<Self> {
        let is_elsewhere = source.path.contains("://") || Path::new(&source.path).is_absolute();
        if !source.reader.is_typed() || is_elsewhere || source.path.split('/').any(|part| part == "..") {
            return None;
        }
        let inputs = source.reader.inputs(origin).await.ok()?;
        let changed = |input: &Input| input.object.as_ref().map(|object| object.meta.last_modified);
        let newest = inputs.into_iter().max_by_key(changed)?;
        if newest.is_within(origin.project_folder) { Self::of(source, &newest).await } else { None }
    }

    /// What a file tells.
    pub(crate) async fn of(source: &Source, input: &Input) -> Option<Self> {
        Some(Self { name: input.name.clone(), schema: source.reader.columns(input).await? })
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.schema.field_with_name(name).ok()
    }
}

impl SourceCheck<'_> {
    /// The type of a raw column, or what is known of each row; none where only a file tells it, and none does.
    fn field(&self, name: &str) -> Option<Field> {
        raw_field(self.source, name).or_else(|| self.sample?.field(name).cloned())
    }

    /// Why the sample has no such column, with those that it has.
    fn absence(&self, name: &str) -> Option<String> {
        let sample = self.sample.filter(|sample| sample.field(name).is_none())?;
        let columns = sample.schema.fields().iter().map(|field| field.name());
        let has = self.source.raw_columns(self.contract).list(columns);
        Some(format!("no column `{name}` (the file has {has})"))
    }

    /// What a message begins with where the sample tells the type of one of these raw columns.
    fn told_by(&self, names: &[String]) -> String {
        let is_told = |name: &String| raw_field(self.source, name).is_none();
        let told = self.sample.filter(|_| names.iter().any(is_told));
        told.map_or_else(String::new, |sample| format!("in `{}`, ", sample.name))
    }
}

/// Checks the mapping of a source: its SQL, and whether the types of raw columns go together with those of the table.
pub fn check_mapping(check: SourceCheck<'_>, session: &Session, file: &SourceFile, problems: &mut Problems) {
    let SourceCheck { source, contract, .. } = check;
    let raw = session.for_raw_rows();
    for (column, sql) in &source.columns {
        if contract.column(column).is_none() {
            let known: Vec<&str> = contract.columns.iter().map(|c| c.name.as_str()).collect();
            let message =
                format!("table `{}` has no column `{column}`; it has {}", contract.table, known.join(", "));
            problems.report(file, sql.referenced, message);
        }
        let told_by = check.told_by(&dialect::columns(&sql.value));
        let refusal = match planned(check, &raw, sql) {
            Err(problem) => {
                let help = problem
                    .help
                    .unwrap_or_else(|| "columns here are those of the raw file, not of the table".to_owned());
                let at = file.inside(sql, problem.position);
                problems.push(file.problem(at, told_by + &problem.message).with_help(help));
                continue;
            }
            Ok(data_type) => contract
                .column(column)
                .zip(data_type)
                .and_then(|(own, computed)| refused(&computed, &own.data_type, column)),
        };
        if let Some(message) = refusal {
            problems.report(file, sql.referenced, told_by + &message);
        }
    }
    check_by_name(check, file, problems);
}

/// The type of an expression over raw rows; none where only a file tells it, and none does.
fn planned(
    check: SourceCheck<'_>,
    raw: &Session,
    sql: &Spanned<String>,
) -> Result<Option<DataType>, SqlProblem> {
    let source = check.source;
    let names = dialect::column_places(&sql.value);
    for (name, at) in &names {
        if let Some(help) = names::write_quoted(name, source.types.keys().map(String::as_str)) {
            return Err(SqlProblem::new(*at, format!("`types` declares no column `{name}`")).with_help(help));
        }
        if raw_field(source, name).is_none()
            && let Some(absence) = check.absence(name)
        {
            let problem = SqlProblem::new(*at, absence);
            let known = check.sample.into_iter().flat_map(|sample| sample.schema.fields());
            return Err(match names::write_quoted(name, known.map(|field| field.name().as_str())) {
                Some(help) => problem.with_help(help),
                None => problem,
            });
        }
    }
    let fields: Option<Vec<Field>> = names.iter().map(|(name, _)| check.field(name)).collect();
    let Some(fields) = fields else {
        // What is known of any type is checked where the type is not.
        return raw.mistake_whatever_types(&sql.value).map_or(Ok(None), Err);
    };
    let schema = Schema::new(fields);
    let expr = raw.raw_expression(&sql.value, &schema)?;
    Ok(expr.exact.data_type(&schema).ok())
}

/// Columns that are taken by name, as far as their raw types are known.
fn check_by_name(check: SourceCheck<'_>, file: &SourceFile, problems: &mut Problems) {
    let SourceCheck { source, contract, .. } = check;
    for column in contract.columns.iter().filter(|column| !source.columns.contains_key(&column.name)) {
        let name = &column.name;
        let at = source.types.get(name).map_or(source.into.referenced, |declared| declared.at);
        let told_by = check.told_by(std::slice::from_ref(name));
        let declared = known_type(source, name);
        if declared.is_none()
            && let Some(absence) = check.absence(name)
        {
            let help = format!("map it with `columns: {{{name}: \"...\"}}`");
            problems.push(file.problem(at, told_by + &absence).with_help(help));
            continue;
        }
        let sampled = || Some(check.sample?.field(name)?.data_type().clone());
        let refusal = declared.or_else(sampled).and_then(|raw| refused(&raw, &column.data_type, name));
        if let Some(reason) = refusal {
            problems.report(file, at, format!("{told_by}column `{name}`: {reason}"));
        }
    }
}
