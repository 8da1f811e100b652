//! Queries that leave open which of several rows comes first have one answer, in every run and on any number of threads.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema};
use tranche_sql::dialect::AsWritten;
use tranche_sql::{Engine, EngineOptions};

const RUNS: usize = 20;
const ROWS: i64 = 20_000;

/// The rows, in an order that is another one in each run.
fn rows(run: usize) -> Vec<RecordBatch> {
    let shift = i64::try_from(run).unwrap() * 7_919;
    let ids: Vec<i64> = (0..ROWS).map(|row| (row * 7 + shift) % ROWS).collect();
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("amount", DataType::Int64, true),
        Field::new("city", DataType::Utf8, true),
    ]));
    let batch = |ids: &[i64]| {
        let amounts: Int64Array = ids.iter().map(|id| (id % 11 != 0).then_some(id % 5)).collect();
        let cities: StringArray = ids.iter().map(|id| Some(format!("c{}", id % 3))).collect();
        let columns: Vec<arrow::array::ArrayRef> =
            vec![Arc::new(Int64Array::from(ids.to_vec())), Arc::new(amounts), Arc::new(cities)];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    };
    ids.chunks(1_000).map(batch).collect()
}

async fn answer(sql: &str, run: usize, threads: usize) -> Vec<String> {
    let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads };
    let session = Engine::new(&options).unwrap().session("2026-06-15T00:00:00Z".parse().unwrap());
    let batches = rows(run);
    session.register_rows("t", batches[0].schema(), batches).unwrap();
    let plan = session.plan(sql, &AsWritten).await.unwrap_or_else(|problem| panic!("{sql}: {problem}"));
    let found = session.collect(&plan).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let found = concat_batches(&found.schema, &found.batches).unwrap();
    let columns: Vec<_> =
        found.columns().iter().map(|column| cast(column, &DataType::Utf8).unwrap()).collect();
    let row = |row: usize| {
        let values = columns.iter().map(|column| column.as_string::<i32>().iter().nth(row).flatten());
        values.map(|value| value.unwrap_or("NULL").to_owned()).collect::<Vec<_>>().join(" ")
    };
    let mut rows: Vec<String> = (0..found.num_rows()).map(row).collect();
    rows.sort();
    rows
}

async fn check(sql: &str) {
    let first = answer(sql, 0, 1).await;
    assert!(!first.is_empty(), "{sql}");
    for run in 1..RUNS {
        let threads = [1, 2, 8][run % 3];
        assert!(answer(sql, run, threads).await == first, "{sql} on {threads} threads, in run {run}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_over_ties_have_one_answer() {
    let over = |window: &str| {
        format!("SELECT count(*), sum(id) FROM (SELECT id, {window} AS w FROM t) q WHERE w = 1")
    };
    check(&over("ntile(4) OVER (ORDER BY amount)")).await;
    check(&over("row_number() OVER (PARTITION BY city ORDER BY amount DESC)")).await;
    check(&over("sum(1) OVER (ORDER BY amount ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)")).await;
    check("SELECT first_value(id) OVER (PARTITION BY city ORDER BY amount) AS w FROM t").await;
    check("SELECT id, lag(id) OVER (ORDER BY city) AS w FROM t").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_of_floats_do_not_depend_on_their_order() {
    let pair = "sqrt(id + 1e9), ln(id + 2)";
    for statistic in
        ["corr", "covar_samp", "covar_pop", "regr_slope", "regr_intercept", "regr_r2", "regr_sxy"]
    {
        check(&format!("SELECT city, {statistic}({pair}) FROM t GROUP BY city")).await;
        check(&format!("SELECT {statistic}({pair}) FROM t")).await;
    }
    check("SELECT city, sum(ln(id + 2)), avg(sqrt(id)), stddev(sqrt(id)), var_pop(ln(id + 2)) FROM t GROUP BY city").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_have_one_answer() {
    check("SELECT id FROM t LIMIT 10").await;
    check("SELECT id FROM t ORDER BY amount LIMIT 10").await;
    check("SELECT id FROM t ORDER BY city DESC LIMIT 10 OFFSET 5").await;
    check("SELECT id FROM (SELECT id, amount FROM t ORDER BY amount LIMIT 100) q WHERE id > 10").await;
    check("SELECT DISTINCT ON (city) city, id, amount FROM t ORDER BY city").await;
    check("SELECT DISTINCT ON (city) city, id FROM t ORDER BY city, amount").await;
    check("SELECT id FROM t WHERE id IN (SELECT id FROM t ORDER BY amount LIMIT 7)").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_over_ties_have_one_answer() {
    check("SELECT city, array_agg(id ORDER BY amount)[1] AS a FROM t GROUP BY city").await;
    check("SELECT city, array_agg(id)[1] AS a FROM t GROUP BY city").await;
    check("SELECT city, md5(string_agg(CAST(id AS VARCHAR), ',')) AS a FROM t GROUP BY city").await;
    check("SELECT city, first_value(id ORDER BY amount) AS a, last_value(id ORDER BY amount) AS z FROM t GROUP BY city")
        .await;
    check("SELECT city, first_value(id) AS a FROM t GROUP BY city").await;
}

/// Sums of floats round at each addition, so that an order shows, unless they are added exactly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_of_floats_have_one_answer() {
    let values = "(SELECT city, id, amount, CAST(id AS DOUBLE) * 0.1 / (amount + 3) AS x FROM t) q";
    for aggregate in [
        "sum(x)",
        "avg(x)",
        "stddev(x)",
        "var_pop(x)",
        "variance(x)",
        "sum(DISTINCT x)",
        "sum(x) FILTER (WHERE id % 2 = 0)",
    ] {
        check(&format!("SELECT {aggregate} AS a FROM {values}")).await;
        check(&format!("SELECT city, {aggregate} AS a FROM {values} GROUP BY city")).await;
    }
    check(&format!("SELECT city, sum(sum(x)) OVER (ORDER BY city) AS a FROM {values} GROUP BY city")).await;
    let moving = "avg(x) OVER (PARTITION BY city ORDER BY id ROWS BETWEEN 5 PRECEDING AND CURRENT ROW)";
    check(&format!("SELECT id, {moving} AS a FROM {values} WHERE id < 2000")).await;
}
