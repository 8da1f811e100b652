//! The win-back experiment: in September 2026 half of the lapsing customers get a reminder, and it works.
//!
//! The truth that the experiment should find: for two weeks a reminder adds [`LIFT_LAPSING`] to the order rate of those who have
//! been quiet for less than [`LONG_QUIET_DAYS`], and [`LIFT_DORMANT`] to that of the others; those who have left the shop for good
//! stay away. A reminder also costs a few subscriptions.

use crate::calendar::{self, DAY};
use crate::customers::Customer;
use crate::demand;
use crate::orders::Order;
use crate::random::{Random, Topic};

/// The campaign's name among the sends.
pub(crate) const CAMPAIGN: &str = "winback";

const QUIET_DAYS: std::ops::Range<i64> = 30..270;
const LONG_QUIET_DAYS: i64 = 90;
const LIFT_LAPSING: f64 = 0.28;
const LIFT_DORMANT: f64 = 0.48;
const WINDOW: i64 = 14 * DAY;

/// What a customer is assigned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arm {
    /// The mail is withheld.
    Control,
    /// The mail is sent.
    Reminder,
}

impl Arm {
    /// As it stands in the raw files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Reminder => "reminder",
        }
    }
}

/// When a customer's turn is: 08:00 UTC of a day in September 2026.
pub(crate) fn slot(seed: u64, customer: &Customer) -> i64 {
    let day = Random::stream(seed, Topic::Winback, u64::from(customer.number), 1).between(0, 30);
    calendar::midnight(2026, 9, 1) + day * DAY + 8 * 3_600
}

/// A customer's arm, by hash.
pub(crate) fn arm(seed: u64, customer: &Customer) -> Arm {
    let reminded = Random::stream(seed, Topic::Winback, u64::from(customer.number), 2).chance(0.5);
    if reminded { Arm::Reminder } else { Arm::Control }
}

/// Whether a customer once bought and has been quiet for the right time; `orders` are theirs in the month of `at`.
pub(crate) fn is_lapsing(customer: &Customer, orders: &[Order], at: i64) -> bool {
    quiet_days(customer, orders, at).is_some_and(|days| QUIET_DAYS.contains(&days))
}

/// Plans the orders that a reminder brings.
pub(crate) fn respond(seed: u64, customer: &mut Customer, orders: &[Order], at: i64, arm: Arm) {
    if arm == Arm::Control {
        return;
    }
    let dormant = quiet_days(customer, orders, at).is_some_and(|days| days >= LONG_QUIET_DAYS);
    let lift = if dormant { LIFT_DORMANT } else { LIFT_LAPSING };
    let random = &mut Random::stream(seed, Topic::Winback, u64::from(customer.number), 3);
    let to = (at + WINDOW).min(customer.leaves_at);
    customer.planned.extend(demand::arrivals(random, customer.order_rate * lift, at + 60, to));
}

fn quiet_days(customer: &Customer, orders: &[Order], at: i64) -> Option<i64> {
    let this_month = orders.iter().map(|order| order.at).filter(|ordered| *ordered < at).max();
    this_month.max(customer.last_order_at).map(|last| (at - last) / DAY)
}
