//! Orders: a seasonal Poisson process for each customer, with a rate, a basket and a lifetime of their own.

use std::fmt;
use std::io;
use std::path::Path;

use crate::calendar::{Month, Stamp};
use crate::customers::{Customer, Id};
use crate::demand;
use crate::random::{Random, Topic};
use crate::raw_file::{Corruption, CorruptionKind, RawFile, corruption_stream};

/// One order of one article.
pub(crate) struct Order {
    /// When it was placed.
    pub(crate) at: i64,
    /// By whom.
    pub(crate) buyer: Buyer,
    /// The article's category.
    pub(crate) category: &'static str,
    /// web, app or store.
    pub(crate) channel: &'static str,
    status: &'static str,
    price_cents: u64,
    quantity: u32,
}

/// Who ordered. Guests have no customer row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Buyer {
    /// A registered customer.
    Customer(Id),
    /// A guest.
    Guest(u32),
}

impl fmt::Display for Buyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => id.fmt(f),
            Self::Guest(number) => write!(f, "g{number:05}"),
        }
    }
}

/// Categories with their median price, how often an article is bought, and how often it comes back.
pub(crate) const CATEGORIES: [(Category, u32); 6] = [
    (Category { name: "fashion", median_price: 36.0, returns: 2.2 }, 30),
    (Category { name: "home", median_price: 39.0, returns: 0.7 }, 20),
    (Category { name: "outdoor", median_price: 58.0, returns: 1.0 }, 15),
    (Category { name: "electronics", median_price: 95.0, returns: 0.9 }, 12),
    (Category { name: "beauty", median_price: 21.0, returns: 0.2 }, 13),
    (Category { name: "books", median_price: 14.0, returns: 0.2 }, 10),
];

/// What is sold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Category {
    /// As it stands in the raw files.
    pub(crate) name: &'static str,
    median_price: f64,
    returns: f64,
}

/// The orders of a customer in a month, in no order.
pub(crate) fn place(random: &mut Random, customer: &Customer, month: &Month) -> Vec<Order> {
    let (from, to) = (month.start.max(customer.signed_up_at), month.end.min(customer.leaves_at));
    let instants = demand::arrivals(random, customer.order_rate, from, to);
    instants.into_iter().map(|at| order(random, customer, at)).collect()
}

/// The planned orders of a customer that fall into a month; they are no longer planned then.
pub(crate) fn due(random: &mut Random, customer: &mut Customer, month: &Month) -> Vec<Order> {
    let due: Vec<i64> = customer.planned.extract_if(.., |at| month.contains(*at)).collect();
    due.into_iter().map(|at| order(random, customer, at)).collect()
}

fn order(random: &mut Random, customer: &Customer, at: i64) -> Order {
    let category =
        if random.chance(0.4) { CATEGORIES[customer.favourite_category].0 } else { random.pick(&CATEGORIES) };
    let app = customer.app_installed_at.is_some_and(|installed| installed <= at);
    let channel = match () {
        () if random.chance(customer.prefers_store) => "store",
        () if app && random.chance(0.65) => "app",
        () => "web",
    };
    let returned =
        (customer.return_rate * category.returns * if channel == "store" { 0.3 } else { 1.0 }).min(0.9);
    let status = match random.uniform() {
        drawn if drawn < 0.03 => "cancelled",
        drawn if drawn < 0.03 + returned => "returned",
        _ => "paid",
    };
    Order {
        at,
        buyer: Buyer::Customer(customer.id()),
        category: category.name,
        channel,
        status,
        price_cents: (random.lognormal(category.median_price * customer.basket, 0.45) * 100.0)
            .round()
            .max(99.0) as u64,
        quantity: random.pick(&[(1, 74), (2, 18), (3, 6), (4, 2)]),
    }
}

/// A few orders of people who left no customer row.
pub(crate) fn guests(seed: u64, month: &Month, customers: u32) -> Vec<Order> {
    let random = &mut Random::stream(seed, Topic::Guests, 0, month.number);
    let stranger = Customer::draw(seed, 0);
    (0..customers / 5_000 + 1)
        .map(|_| {
            let at = random.between(month.start, month.end);
            Order { buyer: Buyer::Guest(random.between(1, 60) as u32), ..order(random, &stranger, at) }
        })
        .collect()
}

const CORRUPTION: Corruption = Corruption {
    one_in: 3_000,
    delimiter: ';',
    kinds: &[
        (CorruptionKind::Field(1, ""), 2),
        (CorruptionKind::Field(2, "2025-02-30 10:15:00"), 1),
        (CorruptionKind::Field(2, "yesterday"), 1),
        (CorruptionKind::Field(5, "n/a"), 2),
        (CorruptionKind::Field(5, "-19.90"), 2),
        (CorruptionKind::Twice, 3),
    ],
};

/// Writes `orders/YYYY-MM.csv`, and returns the number of its rows. `earlier` counts the orders of the months before.
pub(crate) fn write(
    out: &Path,
    seed: u64,
    month: &Month,
    earlier: u64,
    orders: &mut [Order],
) -> io::Result<u64> {
    orders.sort_unstable_by_key(|order| (order.at, order.buyer));
    let path = out.join("orders").join(format!("{}.csv", month.name));
    let header = "order_no;customer;order_date;status;category;price;quantity;channel";
    let mut file = RawFile::create(&path, header, CORRUPTION, corruption_stream(seed, 2, month.number))?;
    for (number, order) in (earlier + 1..).zip(orders) {
        let Order { at, buyer, category, channel, status, price_cents, quantity } = order;
        let (euros, cents, date) = (*price_cents / 100, *price_cents % 100, Stamp(*at));
        file.row(&format!(
            "o{number:07};{buyer};{date};{status};{category};{euros}.{cents:02};{quantity};{channel}"
        ))?;
    }
    file.finish()
}
