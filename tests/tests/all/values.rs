//! Values keep their meaning: what a raw file says is in the table, digit by digit, or its row is rejected.

use std::fmt::Write as _;

use serde_json::Value;
use tranche_tests::Sandbox;

use crate::small_project::{HEADER, SmallProject, assert_same, csv, order};

/// The value of `note` that an expression over raw columns `a` and `b` gives, or why its row is rejected.
fn check_notes(expression: &str, rows: &[([&str; 2], Result<&str, &str>)]) {
    let project = SmallProject::new(&format!(
        "format: csv\npath: data/orders/*.csv\ncolumns: {{note: \"{expression}\"}}\non_reject: {{quarantine: {{max_ratio: 1}}}}"
    ));
    let mut text = format!("{}\n", HEADER.replace("note", "a,b"));
    for (at, ([a, b], _)) in rows.iter().enumerate() {
        let _ = writeln!(text, "{}", order(at + 1).replace("fine", &format!("{a},{b}")));
    }
    project.write("a.csv", text);
    let _ = project.load().expect_code(0);
    let numbered = |wanted: fn(&Result<&str, &str>) -> Option<String>| -> Vec<String> {
        let found = rows.iter().enumerate();
        found.filter_map(|(at, (_, outcome))| Some(format!("{},{}", at + 1, wanted(outcome)?))).collect()
    };
    let loaded = project.lines("SELECT CAST(substr(order_id, 2) AS INT), note FROM orders ORDER BY order_id");
    assert_same(&loaded, &numbered(|outcome| outcome.ok().map(str::to_owned)));
    let rejects = project.lines("SELECT \"row\", reason FROM quarantine_orders ORDER BY \"row\"");
    assert_same(&rejects, &numbered(|outcome| outcome.err().map(str::to_owned)));
}

#[test]
fn texts_of_digits_stay_texts_in_expressions() {
    let codes = ["12345678901234567890", "+4917012", "1.10", "12E4", "01067", "NaN", "x"];
    let rows: Vec<([&str; 2], Result<&str, &str>)> =
        codes.iter().map(|code| ([*code, "1"], Ok(*code))).collect();
    for expression in [
        "a",
        "trim(a)",
        "concat(a, '')",
        "coalesce(a, b)",
        "nvl(a, b)",
        "CASE WHEN b = '1' THEN a ELSE b END",
    ] {
        check_notes(expression, &rows);
    }
}

#[test]
fn each_row_decides_for_itself_whether_it_has_a_number() {
    check_notes(
        "CASE WHEN upper(a) = 'REFUND' THEN -round(b, 1) ELSE round(b, 1) END",
        &[
            (["Refund", "2.55"], Ok("-2.6")),
            (["sale", "1.5"], Ok("1.5")),
            (["sale", "dear"], Err("`dear` is not a number")),
        ],
    );
    check_notes(
        "CASE WHEN a = 'n' THEN cast(b + 1 AS VARCHAR) ELSE b END",
        &[(["t", "dear"], Ok("dear")), (["n", "9007199254740993"], Ok("9007199254740994.0000000000"))],
    );
}

#[test]
fn what_only_other_rows_say_changes_no_value() {
    let amount = "format: csv\npath: data/orders/*.csv\ncolumns: {amount: \"replace(replace(amount, '.', ''), ',', '.')\"}\noptions: {delimiter: ';'}";
    let row = |n: usize, amount: &str| {
        order(n).replace(',', ";").replace(&format!(";{n}.50;"), &format!(";{amount};"))
    };
    let loaded = |n: usize, amount: &str| order(n).replace(&format!(",{n}.50,"), &format!(",{amount},"));
    for amounts in [["1.000", "2.500"], ["1.000", "1.234,56"]] {
        let project = SmallProject::new(amount);
        let lines = [row(1, amounts[0]), row(2, amounts[1])];
        project.write("a.csv", csv(&lines).replace(HEADER, &HEADER.replace(',', ";")));
        let _ = project.load().expect_code(0);
        let second = if amounts[1] == "2.500" { "2500.00" } else { "1234.56" };
        assert_same(&project.orders(), &[loaded(1, "1000.00"), loaded(2, second)]);
    }
}

#[test]
fn check_refuses_a_mapping_of_types_that_do_not_go_together() {
    let project =
        SmallProject::new("format: csv\npath: data/orders/*.csv\ncolumns: {delivered: \"quantity * 2\"}");
    let ran = project.tranche(&["check"]).expect_code(2);
    assert!(ran.stderr.contains("orders.yaml:6:"), "{}", ran.stderr);
    assert!(ran.stderr.contains("is not a date; write `delivered: "), "{}", ran.stderr);
    // Functions are known without data, whatever types a file brings.
    project.redefine(
        "format: parquet\npath: data/orders/*.parquet\ncolumns: {note: \"nosuch(x) + device['os']\"}",
    );
    let ran = project.tranche(&["check"]).expect_code(2);
    assert!(ran.stderr.contains("nosuch"), "{}", ran.stderr);
    project.redefine(
        "format: parquet\npath: data/orders/*.parquet\n\
         columns: {note: \"CASE WHEN NOT flag THEN device['os'] ELSE labels['k'] END\", delivered: \"born + INTERVAL '1 day'\"}",
    );
    let _ = project.tranche(&["check"]).expect_code(0);
}

/// The traits of the shop after `query` has taken the place of the one before.
fn traits(shop: &Sandbox, query: &str, as_of: &str) -> Vec<String> {
    let head = "/*---\ntraits: last\nentity: customer\n---*/\n";
    shop.write("pipelines/shop/traits/last.sql", format!("{head}{query}\n"));
    for pipeline in ["load", "shop"] {
        let _ = shop.run(&["run", pipeline, "--as-of", as_of]).expect_code(0);
    }
    let query = "SELECT customer_id, CAST(v AS VARCHAR) FROM traits ORDER BY customer_id";
    let ran = shop.run(&["--format", "csv", "sql", query, "--as-of", as_of]).expect_code(0);
    ran.stdout.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn a_trait_has_the_type_of_its_definition() {
    let shop = Sandbox::scenario("small_shop", None);
    shop.write("data/customers.csv", "customer_id,name,city\n1,,\n2,,\n");
    let orders = "order_id,customer_id,ordered_at,amount\na,1,2026-02-01T10:00:00Z,3\nb,1,2026-02-02T10:00:00Z,4\nc,2,2026-02-03T10:00:00Z,2\n";
    shop.write("data/orders/a.csv", orders);
    let of =
        |expression: &str| format!("SELECT customer_id, {expression} AS v FROM orders GROUP BY customer_id");
    let mut day = 10;
    for (expression, expected) in [
        ("count(*)", ["1,2", "2,1"]),
        ("sum(amount) / 4.0", ["1,1.75", "2,0.5"]),
        ("sum(amount) > 5", ["1,true", "2,false"]),
        ("max(ordered_at)", ["1,2026-02-02T10:00:00Z", "2,2026-02-03T10:00:00Z"]),
        ("CASE WHEN sum(amount) > 5 THEN 'big' ELSE 'small' END", ["1,big", "2,small"]),
        ("count(*)", ["1,2", "2,1"]),
    ] {
        day += 1;
        assert_eq!(traits(&shop, &of(expression), &format!("2026-02-{day}")), expected, "{expression}");
    }
    let examined: Value = shop.run(&["--format", "json", "doctor"]).json();
    let text = examined.to_string();
    assert!(!text.contains("traits/customer"), "{text}");
}

#[test]
fn known_answers_are_keys_as_they_are_written() {
    let project = SmallProject::new("format: csv\npath: data/orders/*.csv");
    let keys = ["no", "0012", "00123", "1e3", "0x1F", "1_000", "12:30:45", "+49170", "1.10", "true"];
    let mut customers = "customer_id,name,city\n".to_owned();
    keys.iter().for_each(|key| writeln!(customers, "{key},,Ulm").expect("text grows"));
    customers.push_str("other,,Bonn\n");
    project.sandbox.write("data/customers.csv", customers);
    project.write("a.csv", csv(&[order(1)]));
    let segment = |tests: &str| {
        format!(
            "/*---\nsegment: ulm\nentity: customer\ntests:\n{tests}---*/\nSELECT customer_id FROM customers WHERE city = 'Ulm'\n"
        )
    };
    let members =
        format!("  - {{as_of: 2026-06-01, members: [{}], not_members: [other]}}\n", keys.join(", "));
    project.sandbox.write("pipelines/shop/segments/ulm.sql", segment(&members));
    let _ = project.load().expect_code(0);
    let _ = project.tranche(&["segment", "test"]).expect_code(0);

    // A member is not taken for somebody else, and who is nobody is named.
    let not_members = "  - {as_of: 2026-06-01, not_members: [00123, 00124]}\n";
    project.sandbox.write("pipelines/shop/segments/ulm.sql", segment(not_members));
    let ran = project.tranche(&["segment", "test"]).expect_code(1);
    assert!(ran.stderr.contains("`00123` is in `ulm`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("there is no customer `00124`"), "{}", ran.stderr);

    project
        .sandbox
        .write("pipelines/shop/segments/ulm.sql", segment("  - {as_of: 2026-06-01, members: [~]}\n"));
    let ran = project.tranche(&["check"]).expect_code(2);
    assert!(ran.stderr.contains("put it in quotes"), "{}", ran.stderr);
}

#[test]
fn what_is_no_number_is_told_in_every_format() {
    let project = SmallProject::new("format: csv\npath: data/orders/*.csv");
    project.write("a.csv", csv(&[order(1)]));
    let _ = project.load().expect_code(0);
    let of = |format: &str, query: &str| {
        let ran = project.tranche(&["--format", format, "sql", query]).expect_code(0);
        ran.stdout.trim_end().to_owned()
    };
    let made =
        "SELECT CAST('nan' AS double) AS a, -CAST('inf' AS double) AS b, 0.5 AS c, CAST(NULL AS double) AS d";
    assert_eq!(of("csv", made), "a,b,c,d\nNaN,-inf,0.5,");
    assert_eq!(of("json", made), r#"[{"a":"NaN","b":"-inf","c":0.5,"d":null}]"#);
    assert_eq!(of("markdown", made).lines().last(), Some("| NaN | -inf | 0.5 |  |"));
    let values = "(SELECT CAST(v AS double) FROM (VALUES ('nan'), ('1'), ('inf'), ('nan')) AS t(v)) AS t(x)";
    let aggregates =
        format!("SELECT min(x), max(x), sum(x), avg(x), count(x), count(DISTINCT x) FROM {values}");
    assert_eq!(of("csv", &aggregates).lines().last(), Some("1.0,NaN,NaN,NaN,4,3"));
    let compared = format!("SELECT x, x = x AS same, x > 5 AS more FROM {values} ORDER BY x DESC");
    assert_eq!(
        of("csv", &compared),
        "x,same,more\nNaN,true,true\nNaN,true,true\ninf,true,true\n1.0,true,false"
    );
}

/// Nanoseconds of 64 bits end in 2262, and "for ever" is often written as 9999-12-31.
#[test]
fn instants_of_every_year_are_computed_with() {
    let sandbox = Sandbox::new();
    sandbox.write("tranche.yaml", "version: 1\nlake: ./lake\n");
    for (expression, expected) in [
        ("TIMESTAMP '9999-12-31' > TIMESTAMP '2026-01-01'", "true"),
        ("TIMESTAMP '2026-05-01' BETWEEN TIMESTAMP '2026-01-01' AND TIMESTAMP '9999-12-31'", "true"),
        ("CAST('9999-12-31' AS TIMESTAMP)", "9999-12-31T00:00:00"),
        ("to_timestamp('9999-12-31T23:59:59.999999Z')", "9999-12-31T23:59:59.999999Z"),
        ("to_timestamp(DATE '9999-12-31')", "9999-12-31T00:00:00Z"),
        ("to_timestamp(5.25)", "1970-01-01T00:00:05.250Z"),
        ("to_timestamp(5)", "1970-01-01T00:00:05Z"),
        ("CAST(5 AS TIMESTAMP)", "1970-01-01T00:00:05"),
        ("CAST(x AS TIMESTAMP) FROM (SELECT 5 AS x)", "1970-01-01T00:00:05"),
        ("date_trunc('quarter', to_timestamp('9999-12-31T10:00:00Z'))", "9999-10-01T00:00:00Z"),
        ("date_trunc('month', DATE '2026-05-31')", "2026-05-01T00:00:00"),
        ("to_char(TIMESTAMP '9999-12-31', 'YYYY-MM')", "9999-12"),
        ("to_char(DATE '2026-05-31', 'YYYY')", "2026"),
        ("to_char('2026-05-31', 'YYYY')", "2026"),
    ] {
        let ran = sandbox.run(&["--format", "csv", "sql", &format!("SELECT {expression}")]).expect_code(0);
        assert_eq!(ran.stdout.lines().nth(1), Some(expected), "{expression}");
    }
    let refused = sandbox.run(&["sql", "SELECT to_timestamp('2026-01-01T00:00:00.1234567Z')"]).expect_code(1);
    assert!(refused.stderr.contains("is not an instant in whole microseconds"), "{}", refused.stderr);
}

/// A file may have a float that is -0.0; it is found, joined and counted as the 0 that it is.
#[test]
fn a_negative_zero_of_a_file_is_0() {
    let project = SmallProject::new("format: csv\npath: data/orders/*.csv");
    let ratios = ["-0.0", "0", "5", "9"];
    let lines: Vec<String> =
        (1..).zip(ratios).map(|(n, ratio)| order(n).replace(",0.25,", &format!(",{ratio},"))).collect();
    project.write("a.csv", csv(&lines));
    let _ = project.load().expect_code(0);
    let join = "SELECT a.order_id, b.order_id AS other FROM orders a JOIN orders b ON a.ratio = b.ratio \
                WHERE b.order_id <> a.order_id AND b.quantity < 3 ORDER BY a.order_id";
    assert_same(&project.lines(join), &["o001,o002".to_owned(), "o002,o001".to_owned()]);
    for (sql, expected) in [
        ("SELECT CAST(ratio AS VARCHAR) FROM orders ORDER BY order_id LIMIT 1", "-0.0"),
        ("SELECT count(*) FROM orders WHERE ratio IN (0, 6, 7, 8)", "2"),
        (
            "SELECT count(*) FROM orders WHERE ratio IN (SELECT ratio FROM orders WHERE order_id = 'o002')",
            "2",
        ),
        (
            "SELECT count(*) FROM orders WHERE ratio IN (SELECT ratio FROM orders WHERE order_id = 'o001')",
            "2",
        ),
        ("SELECT count(*) FROM orders WHERE ratio = 0 AND quantity < 9", "2"),
        ("SELECT count(*) FROM orders WHERE nullif(ratio, 0) IS NULL", "2"),
        ("SELECT count(*) FROM orders WHERE CASE ratio WHEN 0 THEN true ELSE false END", "2"),
        ("SELECT count(DISTINCT ratio) + 0 * count(*) FROM orders", "3"),
        ("SELECT order_id FROM orders ORDER BY ratio, order_id DESC LIMIT 1", "o002"),
    ] {
        assert_eq!(project.lines(sql), [expected], "{sql}");
    }
}
