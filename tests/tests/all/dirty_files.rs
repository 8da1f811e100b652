//! Files that are wrong as a whole: the load is refused with the file and the reason, nothing of it comes in, and the run continues
//! once they are mended.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::path::{Path, PathBuf};

use crate::small_project::{HEADER, SmallProject, assert_same, csv, json_order, order, orders_with};

const CSV: &str = "format: csv\npath: data/orders/*.csv";
const NDJSON: &str = "format: ndjson\npath: data/orders/*.ndjson";
const PARQUET: &str = "format: parquet\npath: data/orders/*.parquet";

/// A load of a good file and of `damaged`, which is refused with a message that has all of `says`; with `mended` in its place the
/// same run continues and loads all rows of both.
fn check(
    source: &str,
    (good, first): (&str, &[u8]),
    (file, damaged, mended): (&str, &[u8], &[u8]),
    says: &[&str],
) {
    let project = SmallProject::new(source);
    project.write(good, first);
    project.write(file, damaged);
    let report = project.load().expect_code(1).json();
    let sales = &report["steps"][1];
    assert_eq!((&sales["status"], &sales["rows_written"]), (&"failed".into(), &0.into()));
    let message = sales["message"].as_str().unwrap_or_default();
    let file = format!("data/orders/{file}: ");
    for part in says.iter().chain(&[file.as_str(), "nothing of source `orders` was loaded"]) {
        assert!(message.contains(part), "{message}\nlacks {part}");
    }
    assert!(message.len() < 1000, "a message of {} bytes", message.len());
    assert_same(&project.orders(), &[]);
    assert_eq!(
        project.lines("SELECT count(*) FROM customers"),
        ["3"],
        "a step that needs nothing of it is done"
    );

    project.sandbox.write(file.trim_end_matches(": "), mended);
    let run = report["run_id"].as_str().unwrap();
    let _ = project.tranche(&["resume", run]).expect_code(0);
    assert_same(&project.orders(), &(1..=20).map(order).collect::<Vec<_>>());
}

/// `damage` of a CSV file with orders 11 to 20.
fn check_csv(source: &str, damage: impl Fn(&str) -> Vec<u8>, says: &[&str]) {
    let lines = orders_with(20, &[]);
    let (good, mended) = (csv(&lines[..10]), csv(&lines[10..]));
    check(source, ("a.csv", good.as_bytes()), ("b.csv", &damage(&mended), mended.as_bytes()), says);
}

#[test]
fn a_file_without_a_header_is_refused() {
    check_csv(CSV, |_| Vec::new(), &["the file is empty"]);
    check_csv(CSV, |_| b"\n\n".to_vec(), &["the file is empty"]);
    check_csv(CSV, |good| good.replace(HEADER, "").into_bytes(), &["no column `order_id`", "o011"]);
}

#[test]
fn a_file_is_named_as_in_the_project_also_where_expressions_read_it() {
    let source = format!("{CSV}\ncolumns: {{note: \"concat(note, '')\"}}");
    check_csv(&source, |_| Vec::new(), &["the file is empty"]);
    check_csv(&source, |good| good.replace("note", "remark").into_bytes(), &["no column `note`"]);
}

#[test]
fn a_file_whose_header_does_not_fit_is_refused() {
    check_csv(
        CSV,
        |good| good.replace("amount", "price").into_bytes(),
        &["no column `amount`", "price", "map it"],
    );
    check_csv(CSV, |good| good.replace("ratio", "note").into_bytes(), &["names column `note` twice"]);
    check_csv(
        CSV,
        |good| good.replace(',', ";").into_bytes(),
        &["no column `order_id`", "order_id;customer_id"],
    );
}

#[test]
fn a_file_that_is_no_utf8_is_refused() {
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    check_csv(CSV, |good| little(&format!("\u{FEFF}{good}")), &["UTF-16", "convert it to UTF-8"]);
    check_csv(CSV, |good| big(&format!("\u{FEFF}{good}")), &["UTF-16", "convert it to UTF-8"]);
    check_csv(CSV, little, &["UTF-16", "convert it to UTF-8"]);
    check_csv(CSV, |_| b"caf\xe9,b\n".to_vec(), &["header", "convert the file to UTF-8"]);
    check_csv(CSV, |_| b"\x1f\x8b\x08\0\xff\xfe\xff".to_vec(), &["compressed with gzip", "gunzip"]);
    check_csv(CSV, |_| vec![0; 4096], &["no column `order_id`"]);
}

#[test]
fn a_file_of_another_format_is_refused_with_what_it_is() {
    check_csv(CSV, |_| format!("{}\n", json_order(11)).into_bytes(), &["is JSON", "format: ndjson"]);
    check_csv(CSV, |_| b"<!DOCTYPE html>\n<html>".to_vec(), &["an HTML page, perhaps a login page"]);
    let json = |numbers: std::ops::RangeInclusive<usize>, between: &str| {
        numbers.map(json_order).collect::<Vec<_>>().join(between)
    };
    let (good, mended) = (json(1..=10, "\n"), json(11..=20, "\n"));
    let damages = [
        (format!("[{}]", json(11..=20, ",\n")), "one JSON array; write one object a line"),
        (mended.replace("{", "{\n "), "JSON over many lines; write one object a line"),
        (csv(&[order(11)]), "text with a delimiter; set `format: csv`"),
    ];
    for (damaged, says) in damages {
        let (first, damaged) = (("a.ndjson", good.as_bytes()), damaged.as_bytes());
        check(NDJSON, first, ("b.ndjson", damaged, mended.as_bytes()), &[says]);
    }
}

#[test]
fn a_quote_that_is_never_closed_does_not_swallow_the_rows_after_it() {
    check_csv(CSV, |good| good.replacen(",fine", ",\"fine", 1).into_bytes(), &["row 1", "quote"]);
    check_csv(CSV, |good| good.replace("o015,", "\"o015,").into_bytes(), &["row 5", "quote"]);
    check_csv(
        CSV,
        |good| format!("{}\"", good.trim_end().trim_end_matches("fine")).into_bytes(),
        &["row 10", "quote"],
    );
}

#[test]
fn a_file_with_a_header_only_has_no_rows() {
    let project = SmallProject::new(CSV);
    project.write("a.csv", csv(&[order(1)]));
    project.write("b.csv", format!("{HEADER}\n"));
    project.write("c.csv", HEADER);
    let _ = project.load().expect_code(0);
    assert_same(&project.orders(), &[order(1)]);
    let empty = SmallProject::new(NDJSON);
    empty.write("a.ndjson", "");
    empty.write("b.ndjson", "\n\n");
    let _ = empty.load().expect_code(0);
    assert_same(&empty.orders(), &[]);
}

#[test]
fn a_source_without_files_says_so() {
    let project = SmallProject::new(CSV);
    let message = project.load().expect_code(1).json()["steps"][1]["message"].to_string();
    assert!(message.contains("no file matches `data/orders/*.csv`"), "{message}");
}

/// The most memory that a load of `damaged` may take, in KiB: a row is read up to 16 MiB, and the engine wants some.
const PEAK_KIB: u64 = 300 << 10;

#[test]
fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
    let endless = |beginning: &str| [beginning.as_bytes(), &vec![b'x'; 100_000_000], b"\n"].concat();
    for (source, file, content) in [
        (CSV, "a.csv", endless(&format!("{}o002,", csv(&[order(1)])))),
        (CSV, "a.csv", endless(&format!("{}\"o002", csv(&[order(1)])))),
        (CSV, "a.csv", endless("order_id,")),
        (NDJSON, "a.ndjson", endless(&format!("{}\n{{\"note\": \"", json_order(1)))),
    ] {
        let project = SmallProject::new(source);
        project.write(file, content);
        let (peak_kib, ran) = project.load_and_watch();
        let message =
            ran.expect_code(1).json()["steps"][1]["message"].as_str().unwrap_or_default().to_owned();
        let says = format!("data/orders/{file}: ");
        assert!(message.starts_with(&says) && message.contains("is longer than 16 MiB"), "{message}");
        assert!(peak_kib < PEAK_KIB, "it took {peak_kib} KiB");
        assert_same(&project.orders(), &[]);
    }
}

/// Two Parquet files, of orders 1 to 10 and 11 to 20: out of lakes that hold just these.
fn parquet_files() -> [Vec<u8>; 2] {
    [1..=10, 11..=20].map(|numbers| {
        let project = SmallProject::new(CSV);
        // One day is one file.
        let lines: Vec<String> = numbers.map(order).collect();
        let source =
            format!("{CSV}\ncolumns: {{ordered_at: \"TIMESTAMP '2026-05-01T00:00:00Z'\", note: ordered_at}}");
        project.redefine(&source);
        project.write("a.csv", csv(&lines));
        let _ = project.load().expect_code(0);
        let found = parquet_below(&project.sandbox.path().join("lake/tables/orders"));
        assert_eq!(found.len(), 1, "{found:?}");
        std::fs::read(&found[0]).unwrap()
    })
}

fn parquet_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { parquet_below(&path) } else { vec![path] };
    entries
        .flat_map(below)
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .collect()
}

#[test]
fn a_damaged_parquet_file_is_refused() {
    let source = format!("{PARQUET}\ncolumns: {{ordered_at: \"to_timestamp(note)\", note: \"'fine'\"}}");
    let [first, second] = parquet_files();
    let overwritten = |from: usize, to: usize, byte: u8| {
        let mut bytes = second.clone();
        bytes[from..to].fill(byte);
        bytes
    };
    let size = second.len();
    let damages = [
        (Vec::new(), "not readable Parquet: it is empty"),
        (b"PAR1PAR1".to_vec(), "not readable Parquet"),
        (b"order_id,customer_id\n".to_vec(), "not readable Parquet: it is text, perhaps CSV"),
        (second[..size / 2].to_vec(), "not readable Parquet: it begins as Parquet, but is cut off"),
        (second[..size - 1].to_vec(), "not readable Parquet"),
        (second[1..].to_vec(), "damaged"),
        (overwritten(size - 8, size - 4, 0xFF), "not readable Parquet"),
        (overwritten(size - 300, size - 100, 0xFF), "not readable Parquet"),
        (overwritten(4, 300, 0xFF), "damaged"),
        (overwritten(4, 300, 0), "damaged"),
        (overwritten(100, 500, 0xA5), "damaged"),
    ];
    for (damaged, says) in damages {
        check(&source, ("a.parquet", &first), ("b.parquet", &damaged, &second), &[says]);
    }
}

#[test]
fn a_parquet_file_that_lacks_a_column_is_refused() {
    let source = format!("{PARQUET}\ncolumns: {{ordered_at: \"to_timestamp(note)\", ratio: weight}}");
    let project = SmallProject::new(&source);
    let [first, _] = parquet_files();
    project.write("a.parquet", first);
    let message = project.load().expect_code(1).json()["steps"][1]["message"].to_string();
    assert!(message.contains("data/orders/a.parquet") && message.contains("weight"), "{message}");
    assert_same(&project.orders(), &[]);
}
