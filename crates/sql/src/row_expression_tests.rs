//! Every scalar function of the engine, wherever SQL stands for a row: it means the same in each place, or is refused in each.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::DFSchema;
use datafusion::physical_expr::PhysicalExpr;
use jiff::Timestamp;
use tranche_schema::{Column, Contract, Evolution, History, TableKind, Universe};

use crate::dialect::AsWritten;
use crate::{Engine, EngineOptions, Session};

/// What a function is called with: columns of the table, and literals.
const ARGUMENTS: [&str; 12] = [
    "note",
    "number",
    "ratio",
    "amount",
    "truth",
    "day",
    "at",
    "tags",
    "'day'",
    "2",
    "map(['k'], ['v'])",
    "decode('6162', 'hex')",
];

/// Calls of functions that no arguments of these fit, or whose arguments have to go together.
const CALLS: &[(&str, &str)] = &[
    ("array_add", "array_add([1.0, 2.0], [3.0, 4.0])"),
    ("array_avg", "array_avg([1.0, 2.0])"),
    ("array_distance", "array_distance([1.0, 2.0], [3.0, 4.0])"),
    ("array_normalize", "array_normalize([3.0, 4.0])"),
    ("array_product", "array_product([1.0, 2.0])"),
    ("array_scale", "array_scale([1.0, 2.0], 2.0)"),
    ("array_subtract", "array_subtract([1.0, 2.0], [3.0, 4.0])"),
    ("array_sum", "array_sum([1.0, 2.0])"),
    ("cosine_distance", "cosine_distance([1.0, 2.0], [3.0, 4.0])"),
    ("inner_product", "inner_product([1.0, 2.0], [3.0, 4.0])"),
    ("array_any_match", "array_any_match(tags, x -> x = 'a')"),
    ("array_filter", "array_filter(tags, x -> x = 'a')"),
    ("array_transform", "array_transform(tags, x -> upper(x))"),
    ("arrow_cast", "arrow_cast(number, 'Int32')"),
    ("arrow_try_cast", "arrow_try_cast(note, 'Int32')"),
    ("array_except", "array_except(tags, ['a'])"),
    ("array_resize", "array_resize(tags, 3, 'z')"),
    ("array_replace_n", "array_replace_n(tags, 'a', 'z', 1)"),
    ("at_time_zone", "at AT TIME ZONE 'Europe/Berlin'"),
    ("bucket", "bucket('x', note)"),
    ("date_bin", "date_bin(INTERVAL '1 hour', at, TIMESTAMP '2026-01-01T00:00:00Z')"),
    ("date_part", "date_part('day', at)"),
    ("date_trunc", "date_trunc('month', at)"),
    ("decode", "decode('6162', 'hex')"),
    ("digest", "digest(note, 'sha256')"),
    ("encode", "encode(note, 'hex')"),
    ("get_field", "get_field(named_struct('a', number), 'a')"),
    ("make_date", "make_date(2026, 2, 28)"),
    ("make_time", "make_time(10, 0, 0)"),
    ("map_extract", "map_extract(map(['k'], ['v']), 'k')"),
    ("named_struct", "named_struct('a', number, 'b', note)"),
    ("overlay", "overlay(note PLACING 'x' FROM 1)"),
    ("regexp_like", "regexp_like(note, '^a')"),
    ("to_char", "to_char(at, 'YYYY-MM')"),
    ("to_date", "to_date('2026-02-28')"),
    ("to_time", "to_time('10:00:00')"),
    ("to_timestamp", "to_timestamp('2026-02-28T10:00:00Z')"),
    ("union_extract", ""),
    ("union_tag", ""),
];

/// What reads a clock or a die, or is of no row: refused wherever it stands.
const REFUSED: &[&str] = &[
    "now",
    "file_row_index",
    "input_file_name",
    "current_date",
    "current_time",
    "random",
    "uuid",
    "today",
    "current_timestamp",
];

/// A table of one row.
struct Table {
    session: Session,
    contract: Contract,
    row: RecordBatch,
}

impl Table {
    fn new() -> Self {
        let mut tags = ListBuilder::new(StringBuilder::new()).with_field(arrow::datatypes::Field::new(
            "element",
            DataType::Utf8,
            true,
        ));
        tags.values().append_value("a");
        tags.values().append_value("b");
        tags.append(true);
        let at = TimestampMicrosecondArray::from(vec![1_772_272_800_000_000]).with_timezone("UTC");
        let amount = Decimal128Array::from(vec![255]).with_precision_and_scale(12, 2).unwrap();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("note", Arc::new(StringArray::from(vec!["abc"]))),
            ("number", Arc::new(Int64Array::from(vec![7]))),
            ("ratio", Arc::new(Float64Array::from(vec![0.5]))),
            ("amount", Arc::new(amount)),
            ("truth", Arc::new(BooleanArray::from(vec![true]))),
            ("day", Arc::new(Date32Array::from(vec![20_512]))),
            ("at", Arc::new(at)),
            ("tags", Arc::new(tags.finish())),
        ];
        let fields = columns.iter().map(|(name, array)| Column {
            name: (*name).to_owned(),
            data_type: array.data_type().clone(),
            nullable: true,
            check: None,
            pii: None,
            doc: None,
        });
        let contract = Contract {
            table: "t".to_owned(),
            description: None,
            kind: TableKind::Entity {
                entity: "e".to_owned(),
                history: History::Latest,
                universe: Universe::Declared,
            },
            key: vec!["note".to_owned()],
            evolution: Evolution::Additive,
            columns: fields.collect(),
        };
        let arrays = columns.iter().map(|(_, array)| Arc::clone(array)).collect();
        let row = RecordBatch::try_new(contract.arrow_schema(), arrays).unwrap();
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: 1 };
        let session = Engine::new(&options).unwrap().session(Timestamp::UNIX_EPOCH);
        session.register_rows("t", row.schema(), vec![row.clone()]).unwrap();
        Self { session, contract, row }
    }

    fn value(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<String, String> {
        let value = expr.evaluate(&self.row).and_then(|value| value.into_array(1));
        value.map_err(|error| error.strip_backtrace()).map(|array| shown(array.as_ref()))
    }

    /// In a mapping of a source, over columns of these types.
    fn mapped(&self, raw: &Session, sql: &str) -> Result<String, String> {
        let planned = raw.raw_expression(sql, &self.row.schema()).map_err(|problem| problem.message)?;
        self.value(&planned.exact)
    }

    /// In a check of a contract.
    fn checked(&self, sql: &str) -> Result<String, String> {
        let planned = self.session.row_physical(&self.contract, sql).map_err(|problem| problem.message)?;
        self.value(&planned)
    }

    /// As the value of a metric.
    fn measured(&self, sql: &str) -> Result<String, String> {
        let expr = self.session.row_expression(&self.contract, sql).map_err(|problem| problem.message)?;
        let schema = DFSchema::try_from(self.contract.arrow_schema()).unwrap();
        let planned = self.session.physical_expression(expr, &schema);
        self.value(&planned.map_err(|error| error.strip_backtrace())?)
    }

    /// In a SELECT.
    async fn selected(&self, sql: &str) -> Result<String, String> {
        let sql = format!("SELECT {sql} AS v FROM t");
        let plan = self.session.plan(&sql, &AsWritten).await.map_err(|problem| problem.message)?;
        let found = self.session.collect(&plan).await.map_err(|error| error.to_string())?;
        Ok(shown(found.batches[0].column(0).as_ref()))
    }

    /// A call of a function that the engine accepts.
    fn call(&self, function: &str) -> Option<String> {
        if let Some((_, call)) = CALLS.iter().find(|(name, _)| *name == function) {
            return Some((*call).to_owned()).filter(|call| !call.is_empty());
        }
        let none = std::iter::once(Vec::new());
        let one = ARGUMENTS.iter().map(|a| vec![*a]);
        let two = ARGUMENTS.iter().flat_map(|a| ARGUMENTS.iter().map(|b| vec![*a, *b]));
        let few = &["note", "number", "ratio", "tags", "'a'", "2"];
        let three =
            few.iter().flat_map(|a| few.iter().flat_map(move |b| few.iter().map(move |c| vec![*a, *b, *c])));
        let calls = none
            .chain(one)
            .chain(two)
            .chain(three)
            .map(|arguments: Vec<&str>| format!("{function}({})", arguments.join(", ")));
        calls.into_iter().find(|call| self.checked(call).is_ok())
    }
}

fn shown(array: &dyn Array) -> String {
    let options = FormatOptions::default().with_null("null");
    let value = ArrayFormatter::try_new(array, &options).map(|shown| shown.value(0).to_string());
    format!("{}: {}", value.unwrap_or_else(|error| error.to_string()), array.data_type())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_means_the_same_in_every_place() {
    let table = Table::new();
    let raw = table.session.for_raw_rows();
    let state = table.session.state();
    // By its own name; the others that it has are the same function.
    let names: BTreeSet<&str> = state.scalar_functions().values().map(|function| function.name()).collect();
    let (mut wrong, mut uncalled) = (Vec::new(), Vec::new());
    for name in names {
        if REFUSED.contains(&name) {
            let call = format!("{name}()");
            let selected = table.selected(&call).await;
            for outcome in [table.mapped(&raw, &call), table.checked(&call), table.measured(&call), selected]
            {
                if outcome.is_ok() {
                    wrong.push(format!("{call}: {outcome:?}"));
                }
            }
            continue;
        }
        let Some(call) = table.call(name) else {
            uncalled.push(name);
            continue;
        };
        let selected = table.selected(&call).await;
        let (mapped, checked, measured) =
            (table.mapped(&raw, &call), table.checked(&call), table.measured(&call));
        let is_same = [&mapped, &checked, &measured].into_iter().all(|other| *other == selected);
        if selected.is_err() || !is_same {
            wrong.push(format!(
                "{call}:\n    selected {selected:?}\n    mapped   {mapped:?}\n    checked  {checked:?}\n    measured {measured:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Nothing here makes a union.
    assert_eq!(uncalled, ["union_extract", "union_tag"], "functions without a call: add one to CALLS");
}
