//! E-mail: what is sent to whom, and whether it is opened, clicked or the last one.

use std::io;
use std::path::Path;

use crate::calendar::{self, DAY, Month, Zulu};
use crate::customers::{Customer, Id};
use crate::orders::Order;
use crate::random::Random;
use crate::raw_file::{Corruption, CorruptionKind, RawFile, corruption_stream};
use crate::winback::{self, Arm};

/// One mail, or the record that it was withheld.
pub(crate) struct Send {
    at: i64,
    customer: Id,
    campaign: &'static str,
    arm: Option<Arm>,
    status: &'static str,
    opened_at: Option<i64>,
    clicked_at: Option<i64>,
    unsubscribed: bool,
}

/// Mails of a sale or season: month, day, name.
const OCCASIONS: [(i64, i64, &str); 6] = [
    (7, 1, "summer_sale"),
    (7, 9, "summer_sale"),
    (11, 24, "black_friday"),
    (11, 28, "black_friday"),
    (12, 9, "christmas"),
    (3, 20, "spring"),
];

/// Days between newsletters.
const NEWSLETTER_DAYS: i64 = 28;

/// The chance that a newsletter is a reader's last.
const UNSUBSCRIBES: f64 = 0.003;

/// What a customer is sent in a month; `orders` are theirs in that month.
pub(crate) fn mail(
    random: &mut Random,
    customer: &mut Customer,
    month: &Month,
    orders: &[Order],
    seed: u64,
) -> Vec<Send> {
    let mut sent = Vec::new();
    for (at, campaign) in mailings(random, customer, month, seed) {
        if !customer.accepts_mail(at) {
            continue;
        }
        if campaign == winback::CAMPAIGN {
            if winback::is_lapsing(customer, orders, at) {
                let arm = winback::arm(seed, customer);
                sent.push(deliver(random, customer, at, campaign, Some(arm)));
                winback::respond(seed, customer, orders, at, arm);
            }
        } else if campaign == "welcome" || random.chance(0.80) {
            sent.push(deliver(random, customer, at, campaign, None));
        }
    }
    sent
}

/// The mailings that may concern a customer in a month, in order.
fn mailings(random: &mut Random, customer: &Customer, month: &Month, seed: u64) -> Vec<(i64, &'static str)> {
    let mut planned = Vec::new();
    let mut day = month.start;
    while day < month.end {
        let (_, of_year, of_month) = calendar::date(day);
        let minute = random.between(0, 5_400);
        if (day - calendar::beginning()) / DAY % NEWSLETTER_DAYS == 7 {
            planned.push((day + 6 * 3_600 + minute, "newsletter"));
        }
        let occasions = OCCASIONS.iter().filter(|(month, day, _)| (*month, *day) == (of_year, of_month));
        planned.extend(occasions.map(|(_, _, name)| (day + 5 * 3_600 + minute, *name)));
        day += DAY;
    }
    planned.extend(Some((customer.signed_up_at + 900, "welcome")).filter(|(at, _)| month.contains(*at)));
    planned.extend(
        Some((winback::slot(seed, customer), winback::CAMPAIGN)).filter(|(at, _)| month.contains(*at)),
    );
    planned.sort_unstable();
    planned
}

fn deliver(
    random: &mut Random,
    customer: &mut Customer,
    at: i64,
    campaign: &'static str,
    arm: Option<Arm>,
) -> Send {
    let mut send = Send {
        at,
        customer: customer.id(),
        campaign,
        arm,
        status: if random.chance(0.008) { "bounced" } else { "delivered" },
        opened_at: None,
        clicked_at: None,
        unsubscribed: false,
    };
    if arm == Some(Arm::Control) {
        send.status = "withheld";
    }
    if send.status != "delivered" {
        return send;
    }
    let interest =
        if customer.leaves_at < at { 0.45 } else { 1.0 } * if campaign == "welcome" { 1.3 } else { 1.0 };
    if random.chance((customer.open_rate * interest).min(0.95)) {
        let opened = at + 120 + (random.exponential(0.4) * DAY as f64) as i64;
        let clicked = random.chance(0.16).then(|| opened + random.between(5, 240));
        send.opened_at = Some(opened).filter(|at| *at < calendar::end());
        send.clicked_at = clicked.filter(|at| *at < calendar::end());
    }
    if random.chance(if arm.is_some() { UNSUBSCRIBES * 0.6 } else { UNSUBSCRIBES }) {
        send.unsubscribed = true;
        customer.unsubscribed_at = Some(at + 1_800);
    }
    send
}

const CORRUPTION: Corruption = Corruption {
    one_in: 15_000,
    delimiter: ',',
    kinds: &[
        (CorruptionKind::Field(1, ""), 2),
        (CorruptionKind::Field(4, "2026-13-01T08:00:00Z"), 2),
        (CorruptionKind::Field(8, "maybe"), 1),
        (CorruptionKind::Twice, 2),
    ],
};

/// Writes `sends/YYYY-MM.csv`, and returns the number of its rows. `earlier` counts the sends of the months before.
pub(crate) fn write(
    out: &Path,
    seed: u64,
    month: &Month,
    earlier: u64,
    sends: &mut [Send],
) -> io::Result<u64> {
    sends.sort_unstable_by_key(|send| (send.at, send.customer));
    let path = out.join("sends").join(format!("{}.csv", month.name));
    let header = "send_id,customer_id,campaign,arm,sent_at,status,opened_at,clicked_at,unsubscribed";
    let mut file = RawFile::create(&path, header, CORRUPTION, corruption_stream(seed, 3, month.number))?;
    for (number, send) in (earlier + 1..).zip(sends) {
        let Send { at, customer, campaign, status, unsubscribed, .. } = send;
        let (at, opened, clicked) = (Zulu(Some(*at)), Zulu(send.opened_at), Zulu(send.clicked_at));
        let arm = send.arm.map(Arm::name).unwrap_or_default();
        let line = format!(
            "s{number:07},{customer},{campaign},{arm},{at},{status},{opened},{clicked},{unsubscribed}"
        );
        if send.arm.is_some() { file.clean(&line)? } else { file.row(&line)? }
    }
    file.finish()
}
