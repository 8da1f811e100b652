//! A shop that is small enough to be damaged: customers from a file that is always good, and orders from whatever a test writes.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::process::Stdio;
use std::time::Duration;

use tranche_tests::{Ran, Sandbox, ran};

/// The header line of orders as text.
pub(crate) const HEADER: &str =
    "order_id,customer_id,ordered_at,amount,quantity,ratio,postcode,delivered,note";

/// Everything that an order says, as [`HEADER`] orders it.
const ORDERS: &str = "SELECT order_id, customer_id, ordered_at, CAST(amount AS VARCHAR), quantity, ratio, postcode, \
                      delivered, note FROM orders \
                      ORDER BY order_id";

/// A project with customers (three, good) and orders, loaded by two steps that do not need each other.
#[derive(Debug)]
pub(crate) struct SmallProject {
    /// The folder that it is in.
    pub(crate) sandbox: Sandbox,
}

impl SmallProject {
    /// A project whose source of orders says `source` after its name and table: `format`, `path` and more.
    pub(crate) fn new(source: &str) -> Self {
        let sandbox = Sandbox::scenario("small_shop", None);
        // The pipeline `shop` loads, and refreshes nothing.
        let pipelines = sandbox.path().join("pipelines");
        std::fs::remove_dir_all(pipelines.join("shop")).unwrap();
        std::fs::rename(pipelines.join("load"), pipelines.join("shop")).unwrap();
        sandbox.write("pipelines/shop/pipeline.yaml", PIPELINE);
        sandbox.write("schemas/orders.yaml", ORDERS_CONTRACT);
        sandbox.amend("schemas/customers.yaml", "int64", "utf8");
        sandbox
            .write("data/customers.csv", "customer_id,name,city\nc1,Anna,Bonn\nc2,Björn,Ulm\nc3,Chloé,Ulm\n");
        let project = Self { sandbox };
        project.redefine(source);
        project
    }

    /// Redefines the source of orders.
    pub(crate) fn redefine(&self, source: &str) {
        let text = format!("version: 1\nsource: orders\ninto: orders\n{source}\n");
        self.sandbox.write("pipelines/shop/sources/orders.yaml", text);
    }

    /// Writes a raw file of orders.
    pub(crate) fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        self.sandbox.write(&format!("data/orders/{file}"), content);
    }

    /// Runs the pipeline. It may fail, but it may not panic.
    pub(crate) fn load(&self) -> Ran {
        self.tranche(&["--format", "json", "run", "shop", "--as-of", "2026-06-01"])
    }

    /// Runs the program. It may fail, but it may not panic.
    pub(crate) fn tranche(&self, arguments: &[&str]) -> Ran {
        let ran = self.sandbox.run(arguments);
        let panicked = [&ran.stdout, &ran.stderr].into_iter().any(|text| text.contains("panicked"));
        assert!(!panicked, "{}\n{}", ran.stdout, ran.stderr);
        ran
    }

    /// Runs the pipeline and gives the most memory that it took, in KiB; 0 where the system does not say.
    pub(crate) fn load_and_watch(&self) -> (u64, Ran) {
        let mut command = self.sandbox.command(&["--format", "json", "run", "shop", "--as-of", "2026-06-01"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let size = line.and_then(|size| size.trim().trim_end_matches(" kB").parse().ok());
            peak = peak.max(size.unwrap_or(0));
            std::thread::sleep(Duration::from_millis(1));
        }
        (peak, ran(child.wait_with_output().unwrap()))
    }

    /// The result of a query as lines of CSV, without the header.
    pub(crate) fn lines(&self, query: &str) -> Vec<String> {
        let ran = self.tranche(&["--format", "csv", "sql", query, "--as-of", "2026-06-01"]).expect_code(0);
        ran.stdout.lines().skip(1).map(str::to_owned).collect()
    }

    /// All orders, as lines of CSV.
    pub(crate) fn orders(&self) -> Vec<String> {
        self.lines(ORDERS)
    }

    /// The quarantine of orders: file, row, column and reason of each reject.
    pub(crate) fn rejects(&self) -> Vec<String> {
        self.lines("SELECT file, \"row\", \"column\", reason FROM quarantine_orders ORDER BY file, \"row\"")
    }
}

/// That two lists of lines are the same; says which lines are in one of them only.
pub(crate) fn assert_same(found: &[String], expected: &[String]) {
    let only = |these: &[String], others: &[String]| -> Vec<String> {
        these.iter().filter(|line| !others.contains(line)).cloned().collect()
    };
    assert!(found == expected, "found {:#?}\nexpected {:#?}", only(found, expected), only(expected, found));
}

/// A good order: it is read back as it is written.
pub(crate) fn order(n: usize) -> String {
    let day = n % 28 + 1;
    format!("o{n:03},c{},2026-05-{day:02}T10:00:00Z,{n}.50,{n},0.25,01067,2026-05-{day:02},fine", n % 3 + 1)
}

/// Good orders 1 to `n`, in which those that `dirt` numbers are written differently.
pub(crate) fn orders_with(n: usize, dirt: &[(usize, &str)]) -> Vec<String> {
    let line = |n: usize| {
        dirt.iter().find(|(at, _)| *at == n).map_or_else(|| order(n), |(_, line)| (*line).to_owned())
    };
    (1..=n).map(line).collect()
}

/// A CSV file of the header and these lines.
pub(crate) fn csv(lines: &[String]) -> String {
    format!("{HEADER}\n{}\n", lines.join("\n"))
}

/// A good order as a line of NDJSON.
pub(crate) fn json_order(n: usize) -> String {
    let (order, mut object) = (order(n), serde_json::Map::new());
    for (name, value) in HEADER.split(',').zip(order.split(',')) {
        object.insert(name.to_owned(), value.into());
    }
    serde_json::Value::Object(object).to_string()
}

const PIPELINE: &str = "version: 1
pipeline: shop
steps:
  - {id: people, ingest: [customers]}
  - {id: sales, ingest: [orders]}
";

const ORDERS_CONTRACT: &str = "version: 1
table: orders
kind: event
entity: {customer: customer_id}
key: [order_id]
event_time: ordered_at
columns:
  - {name: order_id, type: utf8, nullable: false}
  - {name: customer_id, type: utf8, nullable: false}
  - {name: ordered_at, type: 'timestamp(us, UTC)', nullable: false}
  - {name: amount, type: 'decimal(12,2)', nullable: false, check: amount >= 0}
  - {name: quantity, type: int32}
  - {name: ratio, type: float64}
  - {name: postcode, type: utf8}
  - {name: delivered, type: date32}
  - {name: note, type: utf8}
";
