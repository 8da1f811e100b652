//! Visits, searches and filled carts, on the web and in the app.

use std::io;
use std::path::Path;

use crate::calendar::{Month, Zulu};
use crate::customers::{Customer, Id};
use crate::demand;
use crate::orders::{CATEGORIES, Order};
use crate::random::Random;
use crate::raw_file::{Corruption, CorruptionKind, RawFile, corruption_stream};

/// One thing done on the web or in the app.
pub(crate) struct WebEvent {
    at: i64,
    customer: Id,
    action: &'static str,
    channel: &'static str,
    device: &'static str,
    category: Option<&'static str>,
}

/// What a customer does in a month: a visit before most orders, and visits that lead to none.
pub(crate) fn browse(
    random: &mut Random,
    customer: &Customer,
    month: &Month,
    orders: &[Order],
) -> Vec<WebEvent> {
    let mut events = Vec::new();
    for order in orders.iter().filter(|order| order.channel != "store") {
        if random.chance(0.15) {
            continue;
        }
        let arrived = (order.at - random.between(120, 2_400)).max(month.start);
        events.push(event(customer, arrived, "visit", order.channel, None));
        if random.chance(0.35) {
            events.push(event(
                customer,
                (arrived + order.at) / 2,
                "cart",
                order.channel,
                Some(order.category),
            ));
        }
    }
    let rate = (0.015 + 0.95 * customer.order_rate) * (1.0 - customer.prefers_store);
    let leaves = customer.leaves_at.clamp(month.start, month.end);
    let mut visits = demand::arrivals(random, rate, month.start.max(customer.signed_up_at), leaves);
    visits.extend(demand::arrivals(random, 0.08 * rate, leaves.max(customer.signed_up_at), month.end));
    for at in visits {
        let app = customer.app_installed_at.is_some_and(|installed| installed <= at);
        let channel = if app && random.chance(0.65) { "app" } else { "web" };
        events.push(event(customer, at, "visit", channel, None));
        for (action, probability, minutes) in [("search", 0.30, 1..5), ("cart", 0.10, 5..12)] {
            if random.chance(probability) {
                let category = random.pick(&CATEGORIES).name;
                let later = at + random.between(minutes.start * 60, minutes.end * 60);
                events.push(event(customer, later.min(month.end - 1), action, channel, Some(category)));
            }
        }
    }
    events
}

fn event(
    customer: &Customer,
    at: i64,
    action: &'static str,
    channel: &'static str,
    category: Option<&'static str>,
) -> WebEvent {
    let device = if channel == "app" { "mobile" } else { customer.device };
    WebEvent { at, customer: customer.id(), action, channel, device, category }
}

const CORRUPTION: Corruption = Corruption {
    one_in: 16_000,
    delimiter: ',',
    kinds: &[
        (CorruptionKind::Cut, 3),
        (CorruptionKind::Field(1, r#""customer_id":null"#), 1),
        (CorruptionKind::Field(3, r#""action":"???""#), 1),
        (CorruptionKind::Twice, 1),
    ],
};

/// Writes `web_events/YYYY-MM.ndjson`, and returns the number of its rows. `earlier` counts the events of the months before.
pub(crate) fn write(
    out: &Path,
    seed: u64,
    month: &Month,
    earlier: u64,
    events: &mut [WebEvent],
) -> io::Result<u64> {
    events.sort_by_key(|event| (event.at, event.customer));
    let path = out.join("web_events").join(format!("{}.ndjson", month.name));
    let mut file = RawFile::create(&path, "", CORRUPTION, corruption_stream(seed, 4, month.number))?;
    for (number, event) in (earlier + 1..).zip(events) {
        let WebEvent { at, customer, action, channel, device, category } = event;
        let at = Zulu(Some(*at));
        let about = category.map(|category| format!(r#","category":"{category}""#)).unwrap_or_default();
        file.row(&format!(
            r#"{{"event_id":"w{number:07}","customer_id":"{customer}","ts":"{at}","action":"{action}","channel":"{channel}","device":"{device}"{about}}}"#
        ))?;
    }
    file.finish()
}
