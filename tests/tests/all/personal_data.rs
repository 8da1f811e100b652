//! Personal data stays where it is asked for: values of columns that a contract marks `pii` stand in no message, log, event, notification,
//! report or lineage; secrets and hidden characters are refused where they stand, and shown nowhere.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::path::Path;

use tranche_tests::{Ran, Sandbox};

/// What every planted value has in it.
const PLANTED: [&str; 2] = ["PLANTED", "48151623"];

const CONTRACT: &str = "version: 1
table: customers
kind: entity
entity: customer
key: [customer_id]
columns:
  - {name: customer_id, type: utf8, nullable: false}
  - {name: email, type: utf8, pii: email}
  - {name: phone, type: utf8, pii: phone}
  - {name: salary, type: 'decimal(12,2)', pii: salary}
  - {name: born, type: date32, pii: date of birth}
  - {name: city, type: utf8}
";

const GOOD: &str = "customer_id,email,phone,salary,born,city
c1,PLANTED.ada@example.org,PLANTED-0171,48151623.10,1990-01-01,Ulm
c2,PLANTED.bob@example.org,PLANTED-0172,48151623.20,1980-01-01,Ulm
c3,,,48151623.20,,Bonn
";

const PIPELINE: &str = "version: 1
pipeline: crm
steps:
  - {id: load, ingest: all}
  - {id: refresh, refresh: all, needs: [load]}
  - {id: report, report: [people], needs: [refresh]}
";

struct Crm {
    sandbox: Sandbox,
}

impl Crm {
    fn new() -> Self {
        let crm = Self { sandbox: Sandbox::new() };
        crm.write("tranche.yaml", "version: 1\nlake: lake\nlineage: {file: lineage.ndjson}\n");
        crm.write("schemas/customers.yaml", CONTRACT);
        crm.write("pipelines/crm/pipeline.yaml", PIPELINE);
        crm.write(
            "pipelines/crm/sources/customers.yaml",
            "version: 1\nsource: customers\ninto: customers\nformat: csv\npath: data/*.csv\non_reject: {quarantine: {max_ratio: 0.5}}\n",
        );
        crm.write(
            "pipelines/crm/reports/people.yaml",
            "version: 1\nreport: people\ntitle: People\nperiod: month\nsegments: [somewhere]\nkpis: []\n",
        );
        crm.segment("somewhere", "segment", "SELECT customer_id FROM customers WHERE city IS NOT NULL");
        crm.write("data/a.csv", GOOD);
        crm
    }

    fn write(&self, path: &str, text: &str) {
        self.sandbox.write(path, text);
    }

    fn segment(&self, name: &str, kind: &str, sql: &str) {
        let text = format!("/*---\n{kind}: {name}\nentity: customer\n---*/\n{sql}\n");
        self.write(&format!("pipelines/crm/segments/{name}.sql"), &text);
    }

    fn traits(&self, sql: &str) {
        let text = format!("/*---\ntraits: own\nentity: customer\n---*/\n{sql}\n");
        self.write("pipelines/crm/traits/own.sql", &text);
    }

    /// Runs the program with its most detailed log of its own crates, and looks at what it says and leaves for planted values.
    fn clean(&self, code: i32, arguments: &[&str]) -> Ran {
        let mut all = vec!["-vv"];
        all.extend(arguments);
        let ran = self.sandbox.run(&all).expect_code(code);
        for planted in PLANTED {
            for text in [&ran.stdout, &ran.stderr] {
                assert!(!text.contains(planted), "{arguments:?}: {text}");
            }
            for place in ["lake/_sys", "lake/reports", "lineage.ndjson"] {
                assert_absent(&self.sandbox.path().join(place), planted);
            }
        }
        ran
    }

    fn night(&self, code: i32) -> Ran {
        self.clean(code, &["--format", "json", "run", "crm", "--as-of", "2026-06-01"])
    }

    /// What a step failed with.
    fn message(&self, step: usize) -> String {
        self.night(1).json()["steps"][step]["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// That no file below a folder has a text in it.
fn assert_absent(place: &Path, text: &str) {
    if place.is_dir() {
        for entry in std::fs::read_dir(place).unwrap() {
            assert_absent(&entry.unwrap().path(), text);
        }
    } else if let Ok(bytes) = std::fs::read(place) {
        let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!found, "`{text}` stands in {}", place.display());
    }
}

#[test]
fn a_night_and_every_question_about_it_show_no_personal_value() {
    let crm = Crm::new();
    crm.traits("SELECT customer_id, max(email) AS mail, max(salary) AS pay, count(*) AS n FROM customers GROUP BY customer_id");
    crm.write("data/b.csv", "customer_id,email,phone,salary,born,city\nc4,PLANTED.eve@example.org,x,PLANTED-sal,,Ulm\nc5,y,z,1,PLANTED-born,Ulm\n");
    let _ = crm.night(0);
    for place in ["lake/_sys", "lake/reports", "lineage.ndjson"] {
        assert!(crm.sandbox.path().join(place).exists(), "{place}");
    }
    for format in ["table", "json", "csv"] {
        for arguments in [
            &["check"][..],
            &["doctor"],
            &["runs"],
            &["segment", "list"],
            &["segment", "show", "somewhere"],
            &["segment", "preview", "somewhere"],
            &["segment", "explain", "somewhere"],
            &["segment", "members", "somewhere"],
            &["segment", "history", "somewhere"],
            &["trait", "list"],
            &["trait", "show", "mail"],
            &["trait", "show", "pay"],
            &["trait", "show", "n"],
            &["trait", "show", "mail", "--as-of", "2026-06-01"],
            &["schedule", "explain", "--from", "2026-06-01", "--to", "2026-06-02"],
            &["report", "people"],
            &["sql", "SELECT source, file, rows, rejected FROM loads"],
        ] {
            let mut all = vec!["--format", format];
            all.extend(arguments);
            let _ = crm.clean(0, &all);
        }
    }
    let shown = crm.sandbox.run(&["trait", "show", "mail", "--personal"]).expect_code(0);
    assert!(shown.stdout.contains("PLANTED.ada@example.org"), "what is asked for is shown: {}", shown.stdout);
    let rejects = crm.sandbox.run(&["--format", "csv", "quarantine", "list"]).expect_code(0);
    assert!(rejects.stdout.contains("PLANTED-sal"), "{}", rejects.stdout);
    let report = crm.sandbox.path().join("lake/reports/people/2026-06-01T00-00-00Z/report.json");
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("born: is not a date"), "{report}");
}

#[test]
fn what_fails_for_a_row_names_the_row_and_not_its_values() {
    let crm = Crm::new();
    let _ = crm.night(0);
    for (sql, reason) in [
        ("SELECT customer_id FROM customers WHERE CAST(email AS INT) > 3", "a value cannot be read as int32"),
        ("SELECT customer_id FROM customers WHERE to_timestamp(phone) IS NOT NULL", "a value cannot be"),
        ("SELECT customer_id FROM customers WHERE 1 / (salary - salary) > 0", "division by zero"),
        (
            "SELECT customer_id FROM customers WHERE regexp_count(email, phone || '[') > 0",
            "not a regular expression",
        ),
        (
            "SELECT customer_id FROM customers WHERE regexp_replace(email, phone || '(', 'x') = 'a'",
            "not a regular expression",
        ),
        (
            "SELECT customer_id FROM (SELECT customer_id, email AS e FROM customers) AS c WHERE CAST(e AS INT) > 3",
            "a value cannot be",
        ),
        (
            "SELECT a.customer_id FROM customers AS a JOIN customers AS b ON a.email < b.email WHERE CAST(b.email AS INT) > 3",
            "a value cannot be",
        ),
    ] {
        crm.segment("broken", "segment", sql);
        let message = crm.message(1);
        assert!(message.contains("`broken` failed") && message.contains(reason), "{sql}: {message}");
        let _ = crm.clean(1, &["segment", "preview", "broken", "--as-of", "2026-06-01"]);
        let _ = crm.clean(1, &["sql", sql]);
    }
    crm.segment("broken", "segment", "SELECT customer_id FROM customers WHERE 1 / (length(city) - 3) > 0");
    let message = crm.message(1);
    for part in ["customer_id = c1", "city = Ulm"] {
        assert!(message.contains(part), "what is not personal is shown: {message}");
    }
    std::fs::remove_file(crm.sandbox.path().join("pipelines/crm/segments/broken.sql")).unwrap();
    crm.traits(
        "SELECT customer_id, sum(CAST(phone AS DECIMAL(9, 2))) AS phones FROM customers GROUP BY customer_id",
    );
    assert!(crm.message(1).contains("failed"));
}

#[test]
fn a_load_that_fails_names_file_row_and_column() {
    let header = "customer_id,email,phone,salary,born,city\n";
    for (file, part) in [
        (format!("{header}c9,a,b,PLANTED-sal,,\n"), "data/b.csv, row 1, column `salary`: is not a number"),
        (format!("{header}c9,a,b,1,PLANTED-born,\n"), "data/b.csv, row 1, column `born`: is not a date"),
        ("PLANTED.a@example.org,PLANTED,1,2,3,4\n".to_owned(), "add a header line"),
        ("PLANTED.a@example.org,PLANTED,PLANTED,2,3,4\n".to_owned(), "add a header line"),
        (
            "customer_id,email,PLANTED-extra\nc9,a,b\n".to_owned(),
            "no column `phone` (the file has customer_id, email and 1 other column)",
        ),
    ] {
        let crm = Crm::new();
        crm.sandbox.amend("pipelines/crm/sources/customers.yaml", "{quarantine: {max_ratio: 0.5}}", "fail");
        crm.write("data/b.csv", &file);
        let message = crm.message(0);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn labels_are_no_personal_values() {
    let crm = Crm::new();
    crm.traits("SELECT customer_id, lower(max(email)) AS mail FROM customers GROUP BY customer_id");
    for (sql, column) in [
        ("SELECT customer_id, email FROM customers", "customers.email"),
        ("SELECT customer_id, split_part(upper(email), '@', 1) AS label FROM customers", "customers.email"),
        (
            "SELECT customer_id, CASE WHEN city = 'Ulm' THEN phone ELSE 'x' END AS label FROM customers",
            "customers.phone",
        ),
        ("SELECT customer_id, mail FROM traits", "traits.mail"),
        ("SELECT customer_id, CAST(salary + 1 AS VARCHAR) AS label FROM traits", "traits.salary"),
        ("SELECT customer_id, CAST(date_part('epoch', born) AS VARCHAR) AS label FROM traits", "traits.born"),
    ] {
        crm.segment("by", "segment_set", sql);
        let ran = crm.clean(2, &["check"]);
        assert!(
            ran.stderr.contains(&format!("are values of `{column}`, which is personal data")),
            "{sql}: {}",
            ran.stderr
        );
    }
    for sql in [
        "SELECT customer_id, CASE WHEN email LIKE '%@example.org' THEN 'own' ELSE 'other' END AS label FROM customers",
        "SELECT customer_id, CAST(date_part('year', born) AS VARCHAR) AS label FROM customers",
        "SELECT customer_id, city FROM traits WHERE salary > 3",
        "SELECT customer_id, CAST(count(email) AS VARCHAR) AS label FROM customers GROUP BY customer_id",
    ] {
        crm.segment("by", "segment_set", sql);
        let _ = crm.clean(0, &["check"]);
    }
}

#[test]
fn secrets_are_refused_where_they_stand_and_not_shown() {
    let secret = "PLANTEDsecret";
    for (settings, line, column) in [
        ("storage: {aws_secret_access_key: PLANTEDsecret}", 3, 11),
        ("lineage: {url: 'https://me:PLANTEDsecret@c.example.org/x'}", 3, 28),
        ("lineage: {url: 'https://c.example.org/x?api_key=PLANTEDsecret'}", 3, 49),
        (
            "notifications:\n  - {to: webhook, url: 'https://hooks.slack.com/services/PLANTEDsecret', on: [failure]}",
            4,
            49,
        ),
        ("storage: {azure_storage_sas_key: 'sv=1&sig=PLANTEDsecret'}", 3, 11),
    ] {
        let crm = Crm::new();
        crm.write("tranche.yaml", &format!("version: 1\nlake: lake\n{settings}\n"));
        for arguments in [&["check"][..], &["run", "crm"], &["--format", "json", "check"]] {
            let ran = crm.clean(2, arguments);
            assert!(ran.stderr.contains(&format!("tranche.yaml:{line}:{column}: ")), "{}", ran.stderr);
            assert!(ran.stderr.contains("stands here in the open"), "{}", ran.stderr);
        }
        assert_absent(&crm.sandbox.path().join("lake"), secret);
    }
    let crm = Crm::new();
    crm.write("tranche.yaml", "version: 1\nlake: lake\nnotifications:\n  - {to: webhook, url: 'https://h.example.org/PLANTEDsecret', onn: [failure]}\n");
    let ran = crm.clean(2, &["check"]);
    assert!(ran.stderr.contains("unknown key `onn`"), "{}", ran.stderr);
    crm.write("tranche.yaml", "version: 1\nlake: 'ftp://u:PLANTEDsecret@h.example.org/x'\n");
    let _ = crm.clean(2, &["check"]);
}

#[test]
fn nothing_hidden_reaches_a_terminal_or_a_page() {
    let crm = Crm::new();
    crm.write("data/a.csv", "customer_id,email,phone,salary,born,city\nc1,,,,,\"U\u{1b}[31ml\u{202e}m\u{9b}x\u{7}\"\nc2,,,,,=1+1\n");
    crm.segment("by", "segment_set", "SELECT customer_id, city FROM customers");
    let _ = crm.night(0);
    let hidden = |text: &str| text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}');
    for format in ["table", "markdown", "json"] {
        for (code, arguments) in [
            (0, &["segment", "list"][..]),
            (0, &["segment", "show", "by"]),
            (0, &["segment", "preview", "by"]),
            (0, &["sql", "SELECT city, '\u{1b}[2J' AS \"x\u{1b}[2J\" FROM customers"]),
            (1, &["sql", "SELECT CAST(city AS INT) FROM customers"]),
            (2, &["trait", "show", "a\u{1b}[31m"]),
            (0, &["report", "people"]),
        ] {
            let mut all = vec!["--format", format];
            all.extend(arguments);
            let ran = crm.sandbox.run(&all).expect_code(code);
            assert!(!hidden(&ran.stdout) && !hidden(&ran.stderr), "{all:?}: {}\n{}", ran.stdout, ran.stderr);
        }
    }
    let sheet = crm.sandbox.run(&[
        "--format",
        "csv",
        "sql",
        "SELECT city, -1 AS \"=n\" FROM customers ORDER BY customer_id DESC",
    ]);
    assert!(sheet.stdout.starts_with("city,'=n\n'=1+1,-1\n"), "{}", sheet.stdout);
    crm.write(
        "pipelines/crm/reports/people.yaml",
        "version: 1\nreport: people\ntitle: Pe\u{202e}ople\nentity: customer\n",
    );
    let ran = crm.sandbox.run(&["check"]).expect_code(2);
    assert!(ran.stderr.contains("people.yaml:3:10: here is the character U+202E"), "{}", ran.stderr);
    assert!(!hidden(&ran.stderr), "{}", ran.stderr);
}
