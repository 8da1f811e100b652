//! A random world: people, their orders and their visits, with everything in them that goes wrong in real data.

use jiff::{SignedDuration, Timestamp};

use super::random::Random;
use super::table::{Column, KEY, Kind, Table, Value, orders, people, visits};

/// Days of the windows that definitions use: events lie on their edges.
pub(super) const WINDOW_DAYS: [i64; 7] = [1, 2, 7, 14, 30, 60, 90];

/// Everything that a definition can see, and how it is stored.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) as_of: Timestamp,
    /// The entity table, then the event tables.
    pub(super) tables: Vec<Table>,
    /// Whether ids that only events know count as entities.
    pub(super) observed: bool,
    /// Whether tables are read into memory before anything is evaluated, as a refresh does.
    pub(super) cached: bool,
    /// Threads of the engine.
    pub(super) threads: usize,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 1);
        let as_of = as_of(&mut random);
        let text_keys = random.chance(50);
        let entities = if random.chance(6) { 0 } else { random.below(61) };
        let keys: Vec<Value> = (0..entities + 6).map(|n| key(n, text_keys)).collect();
        // In some worlds the column is named like the key of the entity itself.
        let buyer = if random.chance(70) { "buyer" } else { KEY };
        let visitor = if random.chance(50) { "visitor" } else { KEY };
        let mut world = Self {
            as_of,
            tables: vec![people(), orders(buyer), visits(visitor)],
            observed: random.chance(25),
            cached: random.chance(85),
            threads: if random.chance(80) { 1 } else { 3 },
        };
        let days = days(&mut random);
        for table in &mut world.tables {
            table.columns[table.entity].kind = if text_keys { Kind::Text(&[]) } else { Kind::Int64 };
            let count = if table.time.is_none() { entities } else { event_count(&mut random) };
            for number in 0..count {
                let row = row(&mut random, table, number, &keys[..], as_of, &days);
                table.rows.push(row);
            }
        }
        world
    }

    pub(super) fn people(&self) -> &Table {
        &self.tables[0]
    }

    pub(super) fn events(&self) -> &[Table] {
        &self.tables[1..]
    }
}

/// A row of a table. Every fifth event repeats the one before it, but for its key.
pub(super) fn row(
    random: &mut Random,
    table: &Table,
    number: usize,
    keys: &[Value],
    as_of: Timestamp,
    days: &[i64],
) -> Vec<Value> {
    let own = Value::Integer(i64::try_from(number).unwrap());
    if table.time.is_none() {
        let mut row = vec![keys[number].clone()];
        row.extend(table.columns[1..].iter().map(|column| value(random, column, as_of)));
        return row;
    }
    if let Some(before) = table.rows.last()
        && random.chance(20)
    {
        return [vec![own], before[1..].to_vec()].concat();
    }
    let columns = table.columns.iter().enumerate();
    columns
        .map(|(index, column)| {
            if index == 0 {
                own.clone()
            } else if index == table.entity {
                whom(random, keys)
            } else if Some(index) == table.time {
                Value::Instant(event_time(random, as_of, days))
            } else {
                value(random, column, as_of)
            }
        })
        .collect()
}

/// Mostly one of the entities, the first ones more often; at times an unknown key or null.
fn whom(random: &mut Random, keys: &[Value]) -> Value {
    if random.chance(5) {
        return Value::Null;
    }
    let range = if random.chance(60) { keys.len().min(8) } else { keys.len() };
    keys[random.below(range)].clone()
}

/// A value of a column that is no key, null in one row of eight where it may be.
pub(super) fn value(random: &mut Random, column: &Column, as_of: Timestamp) -> Value {
    if column.nullable && random.chance(12) {
        return Value::Null;
    }
    match column.kind {
        Kind::Int32 | Kind::Int64 => Value::Integer(random.between(-2, 12)),
        Kind::Decimal if random.chance(70) => {
            Value::Decimal(random.pick(&[0, 1, 1000, 2550, 9999, 10_000, -525]))
        }
        Kind::Decimal => Value::Decimal(random.between(-10_000, 50_000)),
        #[expect(clippy::cast_precision_loss, reason = "a small number of quarters")]
        Kind::Float => Value::Float(random.between(-8, 40) as f64 * 0.25),
        Kind::Text(texts) => Value::Text(random.pick(texts).to_owned()),
        Kind::Truth => Value::Truth(random.chance(50)),
        Kind::Day => {
            let today = i32::try_from(as_of.as_second().div_euclid(86_400)).unwrap();
            let ago = if random.chance(60) {
                random.pick(&[-1, 0, 1, 7, 30, 31, 365])
            } else {
                random.between(0, 400)
            };
            Value::Day(today - i32::try_from(ago).unwrap())
        }
        Kind::Instant => unreachable!("only event times are instants"),
    }
}

/// The key of the nth entity. Texts have quotes and wildcards, numbers are negative or long.
fn key(number: usize, text: bool) -> Value {
    let n = i64::try_from(number).unwrap();
    match (text, number % 7) {
        (true, 3) => Value::Text(format!("O'{n}")),
        (true, 5) => Value::Text(format!("{n}%_é")),
        (true, _) if number == 1 => Value::Text(String::new()),
        (true, _) => Value::Text(format!("p{n}")),
        (false, 3) => Value::Integer(-n),
        (false, 5) => Value::Integer(9_000_000_000_000_000_000 + n),
        (false, _) => Value::Integer(n),
    }
}

fn as_of(random: &mut Random) -> Timestamp {
    let midnight = Timestamp::constant(1_704_067_200 + 86_400 * random.between(0, 450), 0);
    let after = match random.below(4) {
        0 | 1 => SignedDuration::ZERO,
        2 => SignedDuration::from_hours(random.between(0, 23)),
        _ => SignedDuration::from_micros(random.between(1, 86_399_999_999)),
    };
    midnight + after
}

/// How many days before `as_of` events happen: a few edges of windows, a few others. Each is a file to write and to read.
fn days(random: &mut Random) -> Vec<i64> {
    let mut days = vec![0, 1];
    days.extend((0..5).map(|_| random.pick(&WINDOW_DAYS)));
    days.extend((0..3).map(|_| random.between(0, 100)));
    days
}

fn event_count(random: &mut Random) -> usize {
    match random.below(12) {
        0 => 0,
        1 => random.below(4),
        2 | 3 => random.below(400),
        _ => random.below(120),
    }
}

/// An instant on the edge of a window, beside it by a microsecond, at midnight, at `as_of` or after it, or anywhere.
pub(super) fn event_time(random: &mut Random, as_of: Timestamp, days: &[i64]) -> i64 {
    const DAY: i64 = 86_400_000_000;
    const HOUR: i64 = 3_600_000_000;
    let now = as_of.as_microsecond();
    let back = random.pick(days) * DAY;
    let beside = random.pick(&[-1, 0, 0, 1]);
    match random.below(10) {
        0..4 => now - back + beside,
        4 => now - random.pick(&[1, 6, 24, 36, 48]) * HOUR + beside,
        5 => (now - back).div_euclid(DAY) * DAY + beside,
        6 => now + random.pick(&[0, -1, 1, HOUR, 2 * DAY]),
        _ => now - back - random.between(0, DAY),
    }
}
