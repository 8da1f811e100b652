//! Tables of a random world: their columns, and values that are written the same in every SQL.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

/// The entity that is segmented.
pub(super) const ENTITY: &str = "person";
/// The key column of the entity table.
pub(super) const KEY: &str = "person_id";
/// Texts of a status; quotes and wildcards are part of real ones.
pub(super) const STATUSES: [&str; 5] = ["paid", "open", "it's late", "100% back", "Zoë"];
/// Texts of a note.
pub(super) const NOTES: [&str; 6] = ["", "O'Brien's", "50% off", "say \"hi\"", "a_b", "''"];
/// Texts of a country.
pub(super) const COUNTRIES: [&str; 4] = ["de", "fr", "Côte d'Ivoire", "us"];
/// Texts of a plan.
pub(super) const PLANS: [&str; 3] = ["free", "pro", "pro%"];
/// Texts of a page.
pub(super) const PAGES: [&str; 4] = ["home", "cart", "a_b", "a%b"];
/// Texts of a device.
pub(super) const DEVICES: [&str; 3] = ["web", "app", "tv's"];

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int32,
    Int64,
    Decimal,
    Float,
    Text(&'static [&'static str]),
    Truth,
    Day,
    Instant,
}

/// One value; money in hundredths, days since 1970, instants in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Decimal(i64),
    Float(f64),
    Text(String),
    Truth(bool),
    Day(i32),
    Instant(i64),
}

impl fmt::Display for Value {
    /// The value as SQL that every dialect reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(value) => value.fmt(f),
            Self::Decimal(value) => {
                write!(
                    f,
                    "{}{}.{:02}",
                    if *value < 0 { "-" } else { "" },
                    value.abs() / 100,
                    value.abs() % 100
                )
            }
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => write!(f, "'{}'", value.replace('\'', "''")),
            Self::Truth(value) => value.fmt(f),
            Self::Day(value) => write!(f, "DATE '{}'", date(*value)),
            Self::Instant(value) => f.write_str(&instant_sql(Timestamp::from_microsecond(*value).unwrap())),
        }
    }
}

/// An instant in UTC as a literal without a zone.
pub(super) fn instant_sql(instant: Timestamp) -> String {
    format!("TIMESTAMP '{}'", instant.strftime("%Y-%m-%d %H:%M:%S%.6f"))
}

fn date(days: i32) -> Date {
    Date::constant(1970, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap()
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
}

/// A table with its rows. The first column is its key.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Value>>,
    /// The column that says whom a row is about.
    pub(super) entity: usize,
    /// The column that says when it happened, in event tables.
    pub(super) time: Option<usize>,
}

impl Table {
    pub(super) fn entity_column(&self) -> &'static str {
        self.columns[self.entity].name
    }

    pub(super) fn time_column(&self) -> Option<&'static str> {
        self.time.map(|time| self.columns[time].name)
    }

    /// The day (UTC, since 1970) on which the event of a row happened.
    pub(super) fn day_of(&self, row: &[Value]) -> Option<i32> {
        match row[self.time?] {
            Value::Instant(at) => i32::try_from(at.div_euclid(86_400_000_000)).ok(),
            _ => None,
        }
    }

    /// The rows as `(...), (...)`.
    pub(super) fn values(&self) -> String {
        let row = |row: &Vec<Value>| {
            format!("({})", row.iter().map(Value::to_string).collect::<Vec<_>>().join(", "))
        };
        self.rows.iter().map(row).collect::<Vec<_>>().join(",\n  ")
    }
}

/// The entity table, without rows.
pub(super) fn people() -> Table {
    table(
        "people",
        &[
            (KEY, Kind::Int64, false),
            ("country", Kind::Text(&COUNTRIES), true),
            ("age", Kind::Int32, true),
            ("plan", Kind::Text(&PLANS), true),
            ("income", Kind::Decimal, true),
            ("signup", Kind::Day, true),
            ("vip", Kind::Truth, true),
        ],
    )
}

/// Orders, without rows, by the entities in the column `whom`.
pub(super) fn orders(whom: &'static str) -> Table {
    table(
        "orders",
        &[
            ("order_id", Kind::Int64, false),
            (whom, Kind::Int64, true),
            ("ordered_at", Kind::Instant, false),
            ("amount", Kind::Decimal, true),
            ("qty", Kind::Int32, true),
            ("status", Kind::Text(&STATUSES), true),
            ("note", Kind::Text(&NOTES), true),
            ("score", Kind::Float, true),
        ],
    )
}

/// Visits, without rows, by the entities in the column `whom`.
pub(super) fn visits(whom: &'static str) -> Table {
    table(
        "visits",
        &[
            ("visit_id", Kind::Int64, false),
            (whom, Kind::Int64, true),
            ("seen_at", Kind::Instant, false),
            ("page", Kind::Text(&PAGES), true),
            ("device", Kind::Text(&DEVICES), true),
            ("seconds", Kind::Int64, true),
        ],
    )
}

fn table(name: &'static str, columns: &[(&'static str, Kind, bool)]) -> Table {
    let columns: Vec<Column> =
        columns.iter().map(|&(name, kind, nullable)| Column { name, kind, nullable }).collect();
    let time = columns.iter().position(|column| column.kind == Kind::Instant);
    Table { name, columns, rows: Vec::new(), entity: usize::from(time.is_some()), time }
}
