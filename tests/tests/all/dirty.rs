//! Rows that are wrong: each is rejected alone, with its file, row, column and reason, and all others are loaded as they stand.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use crate::small_project::{HEADER, SmallProject, assert_same, csv, json_order, order, orders_with};

const CSV: &str = "format: csv\npath: data/orders/*.csv\non_reject: {quarantine: {max_ratio: 0.5}}";
const NDJSON: &str = "format: ndjson\npath: data/orders/*.ndjson\non_reject: {quarantine: {max_ratio: 0.5}}";

/// Loads `files` and compares what came in with `loaded`, and what did not with `rejects`: the beginnings of lines of the quarantine.
fn check(source: &str, files: &[(&str, &[u8])], loaded: &[String], rejects: &[&str]) {
    let project = SmallProject::new(source);
    for (file, content) in files {
        project.write(file, content);
    }
    let ran = project.load().expect_code(0);
    assert_same(&project.orders(), loaded);
    let found = project.rejects();
    assert_eq!(found.len(), rejects.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(rejects) {
        assert!(found.starts_with(expected), "{found}\nexpected {expected}");
    }
    let counted =
        project.lines("SELECT sum(rows), sum(rejected), sum(duplicates) FROM loads WHERE source = 'orders'");
    let duplicates = ran.json()["steps"][1]["detail"]["sources"][0]["duplicates"].as_u64().unwrap();
    let (good, bad) = (loaded.len() as u64 + duplicates, rejects.len() as u64);
    assert_eq!(counted, [format!("{},{bad},{duplicates}", good + bad)], "the counts of the load");
}

/// Twenty orders as CSV, one of which is `dirt` and comes in as `loaded`, or is rejected for the reason that `reject` begins with.
fn check_row(dirt: &str, outcome: Result<&str, &str>) {
    let input = csv(&orders_with(20, &[(7, dirt)]));
    let mut expected = orders_with(20, &[(7, outcome.unwrap_or_default())]);
    expected.retain(|line| !line.is_empty());
    let reject = outcome.err().map(|reason| format!("data/orders/a.csv,7,{reason}"));
    let rejects: Vec<&str> = reject.iter().map(String::as_str).collect();
    check(CSV, &[("a.csv", input.as_bytes())], &expected, &rejects);
}

#[test]
fn a_wrong_value_is_rejected_with_its_row_and_column() {
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,cheap,7,0.25,01067,2026-05-08,x",
        Err("amount,`cheap` is not a number"),
    );
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,-7.5,7,0.25,01067,2026-05-08,x",
        Err("amount,check failed: amount >= 0"),
    );
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,7.50,7.5,0.25,01067,2026-05-08,x",
        Err("quantity,`7.5` is not a whole number"),
    );
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,7.50,7,quarter,01067,2026-05-08,x",
        Err("ratio,`quarter` is not a number"),
    );
    check_row(
        "o007,,2026-05-08T10:00:00Z,7.50,7,0.25,01067,2026-05-08,x",
        Err("customer_id,the value is missing"),
    );
    check_row(
        ",c1,2026-05-08T10:00:00Z,7.50,7,0.25,01067,2026-05-08,x",
        Err("order_id,the value is missing"),
    );
}

#[test]
fn a_number_that_does_not_fit_is_rejected() {
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,99999999999.00,7,0.25,01067,2026-05-08,x",
        Err("amount,`99999999999.00` is not a number that fits"),
    );
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,1e300,7,0.25,01067,2026-05-08,x",
        Err("amount,`1e300` is not a number that fits"),
    );
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,7.50,2147483648,0.25,01067,2026-05-08,x",
        Err("quantity,`2147483648` is not a whole number"),
    );
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,NaN,7,0.25,01067,2026-05-08,x",
        Err("amount,`NaN` is not a number that fits"),
    );
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,7.50,NaN,0.25,01067,2026-05-08,x",
        Err("quantity,`NaN` is not a whole number"),
    );
}

#[test]
fn numbers_may_be_written_in_several_ways() {
    let loaded = |amount: &str, quantity: &str, ratio: &str| {
        format!("o007,c1,2026-05-08T10:00:00Z,{amount},{quantity},{ratio},01067,2026-05-08,x")
    };
    check_row(&loaded("+7.5", "+7", "1e5"), Ok(&loaded("7.50", "7", "100000.0")));
    check_row(&loaded("1e5", "7E0", ".5"), Ok(&loaded("100000.00", "7", "0.5")));
    check_row(&loaded("0", "-0", "-0.0"), Ok(&loaded("0.00", "0", "-0.0")));
    check_row(&loaded("007.5", "007", ".5"), Ok(&loaded("7.50", "7", "0.5")));
    check_row(&loaded("7.50", "2147483647", "1e300"), Ok(&loaded("7.50", "2147483647", "1e+300")));
}

#[test]
fn a_moment_that_does_not_exist_is_rejected() {
    check_row(
        "o007,c1,2026-02-30T10:00:00Z,7.50,7,0.25,01067,2026-05-08,x",
        Err("ordered_at,`2026-02-30T10:00:00Z` is not an instant"),
    );
    check_row(
        "o007,c1,2026-05-08T25:00:00Z,7.50,7,0.25,01067,2026-05-08,x",
        Err("ordered_at,`2026-05-08T25:00:00Z` is not an instant"),
    );
    check_row(
        "o007,c1,0000-00-00,7.50,7,0.25,01067,2026-05-08,x",
        Err("ordered_at,`0000-00-00` is not an instant"),
    );
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,7.50,7,0.25,01067,2025-02-29,x",
        Err("delivered,`2025-02-29` is not a date"),
    );
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,7.50,7,0.25,01067,08.05.2026,x",
        Err("delivered,`08.05.2026` is not a date"),
    );
}

#[test]
fn texts_stay_what_they_are() {
    let written = |postcode: &str, note: &str| {
        format!("o007,c1,2026-05-08T10:00:00Z,7.50,7,0.25,{postcode},2026-05-08,{note}")
    };
    for text in ["00000", "1e5", "NaN", "-0", "007.50", "0x1F"] {
        check_row(&written(text, text), Ok(&written(text, text)));
    }
    check_row(
        &written("01067", "\"a, \"\"quoted\"\" note\""),
        Ok(&written("01067", "\"a, \"\"quoted\"\" note\"")),
    );
    check_row(&written("01067", "\u{0}nul\u{0}"), Ok(&written("01067", "\u{0}nul\u{0}")));
    check_row(&written("01067", "  spaces  "), Ok(&written("01067", "  spaces  ")));
    check_row(&written("", "\"\""), Ok(&written("", "")));
}

#[test]
fn a_line_end_within_quotes_belongs_to_the_value() {
    let dirty = "o007,c1,2026-05-08T10:00:00Z,7.50,7,0.25,01067,2026-05-08,\"two\nlines\"";
    let wrong = "o009,c1,2026-05-08T10:00:00Z,x,7,0.25,01067,2026-05-08,after it";
    let mut loaded =
        orders_with(20, &[(7, "o007,c1,2026-05-08T10:00:00Z,7.50,7,0.25,01067,2026-05-08,\"two"), (9, "")]);
    loaded.insert(7, "lines\"".to_owned());
    loaded.retain(|line| !line.is_empty());
    let project = SmallProject::new(CSV);
    project.write("a.csv", csv(&orders_with(20, &[(7, dirty), (9, wrong)])));
    let _ = project.load().expect_code(0);
    assert_same(&project.orders(), &loaded);
    // A row is a record, not a line.
    assert_eq!(project.rejects(), ["data/orders/a.csv,9,amount,`x` is not a number that fits the column"]);
}

#[test]
fn a_row_with_too_many_or_too_few_fields_is_rejected() {
    check_row("o007,c1,2026-05-08T10:00:00Z,7.50", Err(",\"the row has 4 fields, the header 9\""));
    check_row(
        "o007,c1,2026-05-08T10:00:00Z,7,50,7,0.25,01067,2026-05-08,x",
        Err(",\"the row has 10 fields, the header 9\""),
    );
}

#[test]
fn bytes_that_are_no_text_are_rejected_with_their_column() {
    let mut input =
        csv(&orders_with(20, &[(7, "o007,c1,2026-05-08T10:00:00Z,7.50,7,0.25,01067,2026-05-08,caf#")]))
            .into_bytes();
    let at = input.iter().position(|byte| *byte == b'#').unwrap();
    input[at] = 0xE9;
    let loaded: Vec<String> = (1..=20).filter(|n| *n != 7).map(order).collect();
    check(
        CSV,
        &[("latin1.csv", &input)],
        &loaded,
        &["data/orders/latin1.csv,7,note,the field is not valid UTF-8"],
    );
}

#[test]
fn line_ends_and_a_byte_order_mark_make_no_difference() {
    let good = csv(&orders_with(20, &[]));
    let (windows, marked, open) = (good.replace('\n', "\r\n"), format!("\u{FEFF}{good}"), good.trim_end());
    let expected: Vec<String> = (1..=20).map(order).collect();
    for text in [&good, &windows, &marked, open] {
        check(CSV, &[("a.csv", text.as_bytes())], &expected, &[]);
    }
    let json = format!("\u{FEFF}{}\r\n\r\n{}", json_order(1), json_order(2));
    check(NDJSON, &[("a.ndjson", json.as_bytes())], &[order(1), order(2)], &[]);
}

#[test]
fn a_broken_line_of_json_is_rejected_alone() {
    let mut lines: Vec<String> = (1..=20).map(json_order).collect();
    lines[6].truncate(30);
    lines[7] = "[1, 2]".to_owned();
    lines[8] = "\"text\"".to_owned();
    lines[9] = "{\"order_id\": \"o010\"}".to_owned();
    lines[10] = lines[10].replace("\"fine\"", "\"\\ud800\"");
    let mut input = lines.join("\n").into_bytes();
    input.extend(b"\n\xff\xfe\n\0\0\0\n");
    let loaded: Vec<String> = (1..=6).chain(12..=20).map(order).collect();
    let rejects = [
        "data/orders/a.ndjson,7,,the line is not valid JSON: EOF",
        "data/orders/a.ndjson,8,,the line is not a JSON object",
        "data/orders/a.ndjson,9,,the line is not a JSON object",
        "data/orders/a.ndjson,10,customer_id,the value is missing",
        "data/orders/a.ndjson,11,,the line is not valid JSON: ",
        "data/orders/a.ndjson,21,,the line is not valid JSON: ",
        "data/orders/a.ndjson,22,,the line is not valid JSON: ",
    ];
    check(NDJSON, &[("a.ndjson", &input)], &loaded, &rejects);
}

#[test]
fn json_numbers_keep_their_digits() {
    let number = |amount: &str| json_order(7).replace("\"7.50\"", amount);
    let loaded = |amount: &str| order(7).replace(",7.50,", &format!(",{amount},"));
    for (written, expected) in
        [("7.5", "7.50"), ("1e2", "100.00"), ("-0", "0.00"), ("1234567890.12", "1234567890.12")]
    {
        check(NDJSON, &[("a.ndjson", number(written).as_bytes())], &[loaded(expected)], &[]);
    }
    let lines =
        [json_order(1), json_order(2), number("1e400"), number("{\"eur\": 7}"), number("true")].join("\n");
    let rejects = [
        "data/orders/a.ndjson,3,",
        "data/orders/a.ndjson,4,amount,",
        "data/orders/a.ndjson,5,amount,`true` is not a number",
    ];
    check(&NDJSON.replace("0.5", "1"), &[("a.ndjson", lines.as_bytes())], &[order(1), order(2)], &rejects);
}

#[test]
fn of_rows_with_the_same_key_the_last_counts() {
    let again = order(3).replace("2026-05-04", "2026-04-30").replace("fine", "again");
    let third = order(5).replace("fine", "in the second file");
    let (first, second) =
        (csv(&[order(3), order(4), order(5), again.clone()]), csv(&[third.clone(), order(6)]));
    check(
        CSV,
        &[("a.csv", first.as_bytes()), ("b.csv", second.as_bytes())],
        &[again, order(4), third, order(6)],
        &[],
    );
}

#[test]
fn a_later_load_replaces_earlier_rows_and_a_rejected_one_does_not() {
    let project = SmallProject::new(CSV);
    project.write("a.csv", csv(&[order(1), order(2), order(3)]));
    let _ = project.load().expect_code(0);
    let moved = order(1).replace("2026-05-02", "2026-04-01");
    project.write("b.csv", csv(&[moved.clone(), order(2).replace("2.50", "wrong"), order(4)]));
    let _ = project.load().expect_code(0);
    assert_eq!(project.orders(), [moved, order(2), order(3), order(4)]);
    let ran = project.load().expect_code(0);
    assert_eq!(ran.json()["steps"][1]["rows_read"], 0, "a file is not loaded twice");
    assert_eq!(project.orders().len(), 4);
}

#[test]
fn raw_text_that_expressions_compute_with_is_read_as_numbers() {
    let source = "format: csv\npath: data/orders/*.csv\ncolumns: {order_id: order_no, ratio: price * 2, note: \"concat(plz, '/', code)\"}\n\
                  on_reject: {quarantine: {max_ratio: 0.1}}";
    let header = HEADER.replace("order_id", "order_no").replace("note", "price,plz,code");
    let row =
        |n: usize, price: &str| order(n).replace("0.25", "").replace("fine", &format!("{price},01067,1e5"));
    let loaded = |n: usize, ratio: &str| order(n).replace("0.25", ratio).replace("fine", "01067/1e5");
    let mut lines: Vec<String> = (1..=40).map(|n| row(n, "1.5")).collect();
    (lines[1], lines[2], lines[6]) = (row(2, "1e5"), row(3, "-0.0"), row(7, "dear"));
    let mut expected: Vec<String> = (1..=40).filter(|n| *n != 7).map(|n| loaded(n, "3.0")).collect();
    (expected[1], expected[2]) = (loaded(2, "200000.0"), loaded(3, "0.0"));
    let input = format!("{header}\n{}\n", lines.join("\n"));
    let rejects = ["data/orders/a.csv,7,ratio,`dear` is not a number"];
    check(source, &[("a.csv", input.as_bytes())], &expected, &rejects);
}

#[test]
fn rejects_of_a_resumed_load_are_in_quarantine_too() {
    let project =
        SmallProject::new("format: csv\npath: data/orders/*.csv\non_reject: {quarantine: {max_ratio: 0.1}}");
    let wrong = |n: usize| order(n).replace(".50,", ".5x,");
    project.write("a.csv", csv(&orders_with(20, &[(1, &wrong(1)), (2, &wrong(2)), (3, &wrong(3))])));
    let run = project.load().expect_code(1).json()["run_id"].as_str().unwrap().to_owned();
    assert_eq!(project.rejects().len(), 3);
    project.write("a.csv", csv(&orders_with(20, &[(9, &wrong(9))])));
    let _ = project.tranche(&["resume", &run]).expect_code(0);
    assert_eq!(project.orders().len(), 19);
    let reject = "data/orders/a.csv,9,amount,`9.5x` is not a number that fits the column".to_owned();
    assert!(project.rejects().contains(&reject), "{:#?}", project.rejects());
}

/// `wrong` of `rows` rows are wrong: whether the source lets the others in.
fn check_ratio(on_reject: &str, wrong: usize, rows: usize, allowed: bool) {
    let project = SmallProject::new(&format!("format: csv\npath: data/orders/*.csv\n{on_reject}"));
    let lines: Vec<String> =
        (1..=rows).map(|n| if n <= wrong { order(n).replace(".50,", ".5x,") } else { order(n) }).collect();
    project.write("a.csv", csv(&lines));
    let ran = project.load().expect_code(i32::from(!allowed));
    let good: Vec<String> = (wrong + 1..=rows).map(order).collect();
    assert_eq!(project.orders(), if allowed { good } else { Vec::new() });
    assert_eq!(project.rejects().len(), wrong, "rejects are kept, also when the load fails");
    assert_eq!(
        project.lines("SELECT count(*) FROM customers"),
        ["3"],
        "a step that needs nothing of it is done"
    );
    if !allowed {
        let message = ran.json()["steps"][1]["message"].as_str().unwrap_or_default().to_owned();
        for part in [
            &format!("{wrong} of {rows} rows"),
            "data/orders/a.csv, row 1, column `amount`",
            "nothing was loaded",
        ] {
            assert!(message.contains(part), "{message}\nlacks {part}");
        }
    }
}

#[test]
fn a_share_of_rejects_at_the_limit_is_let_in_and_one_above_is_not() {
    check_ratio("", 1, 100, true);
    check_ratio("", 2, 199, false);
    check_ratio("", 2, 200, true);
    check_ratio("on_reject: {quarantine: {max_ratio: 0.07}}", 7, 100, true);
    check_ratio("on_reject: {quarantine: {max_ratio: 0.07}}", 8, 100, false);
    // 0.29 * 100 is below 29 in floating point.
    check_ratio("on_reject: {quarantine: {max_ratio: 0.29}}", 29, 100, true);
    check_ratio("on_reject: {quarantine: {max_ratio: 0}}", 1, 100, false);
    check_ratio("on_reject: {quarantine: {max_ratio: 1}}", 100, 100, true);
    check_ratio("on_reject: fail", 1, 1000, false);
    check_ratio("on_reject: fail", 0, 10, true);
}
