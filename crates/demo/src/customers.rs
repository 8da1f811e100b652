//! The customers: who they are, and the tastes and rates that drive everything else they do.

use std::fmt;
use std::io;
use std::path::Path;

use crate::calendar::{self, DAY, Stamp};
use crate::demand;
use crate::places::{self, Place};
use crate::random::{Random, Topic};
use crate::raw_file::{Corruption, CorruptionKind, RawFile, corruption_stream};

/// A customer, with what a shop knows and what it can only guess.
pub(crate) struct Customer {
    /// 1 for the first.
    pub(crate) number: u32,
    /// When they registered.
    pub(crate) signed_up_at: i64,
    /// The shop will not see them again.
    pub(crate) leaves_at: i64,
    /// Orders a day in an ordinary season.
    pub(crate) order_rate: f64,
    /// Their prices, relative to those of others.
    pub(crate) basket: f64,
    /// Its position among [`super::orders::CATEGORIES`].
    pub(crate) favourite_category: usize,
    /// The share of orders in a store.
    pub(crate) prefers_store: f64,
    /// What they browse with.
    pub(crate) device: &'static str,
    /// From then on most of their visits are in the app.
    pub(crate) app_installed_at: Option<i64>,
    /// The share of orders that they send back, before the category's part in it.
    pub(crate) return_rate: f64,
    /// They agreed to mail when they registered.
    pub(crate) consents: bool,
    /// The share of mails that they open.
    pub(crate) open_rate: f64,
    /// How content they are: standard normal.
    pub(crate) contentment: f64,
    /// What matters to them, 1 to 5: price, sustainability, novelty, convenience.
    pub(crate) attitudes: [f64; 4],
    /// Orders that are already certain: the first one, and those that a reminder brings.
    pub(crate) planned: Vec<i64>,
    /// As far as the demo has come.
    pub(crate) last_order_at: Option<i64>,
    /// As far as the demo has come.
    pub(crate) unsubscribed_at: Option<i64>,
    place: Place,
    gender: &'static str,
    birth_year: Option<i64>,
    acquisition: &'static str,
    email: String,
}

/// A customer's key, `c00001` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) u32);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{:05}", self.0)
    }
}

impl Customer {
    /// Draws one customer.
    pub(crate) fn draw(seed: u64, number: u32) -> Self {
        let random = &mut Random::stream(seed, Topic::Population, u64::from(number), 0);
        let signed_up_at = sign_up(random);
        let contentment = random.normal();
        let gender = random.pick(&[("f", 53), ("m", 42), ("x", 1), ("", 4)]);
        let birth_year =
            (!random.chance(0.06)).then(|| (1984.0 + 14.0 * random.normal()).clamp(1936.0, 2007.0) as i64);
        let acquisition = random.pick(&[
            ("organic", 30),
            ("paid_search", 25),
            ("social", 20),
            ("referral", 15),
            ("store", 10),
        ]);
        let stays = if random.chance(0.30) { 170.0 } else { 1_500.0 }
            * if acquisition == "referral" { 1.4 } else { 1.0 };
        let lives_from =
            if random.chance(0.15) { signed_up_at } else { signed_up_at.max(calendar::beginning()) };
        let lifetime = (random.exponential(stays) * (0.45 * contentment).exp() * DAY as f64) as i64;
        let never_buys = random.chance(0.07);
        let order_rate = if never_buys { 0.0 } else { random.gamma(1.4, 1.0 / 41.5) };
        let first_order = signed_up_at + 600 + (random.exponential(2.5) * DAY as f64) as i64;
        let app = random.chance(0.36).then(|| signed_up_at + (random.exponential(60.0) * DAY as f64) as i64);
        Self {
            number,
            signed_up_at,
            leaves_at: lives_from + lifetime.max(4 * DAY),
            order_rate,
            basket: random.lognormal(1.0, 0.35),
            favourite_category: random.between(0, 6) as usize,
            prefers_store: if acquisition == "store" || random.chance(0.08) { 0.75 } else { 0.06 },
            device: random.pick(&[("mobile", 58), ("desktop", 34), ("tablet", 8)]),
            app_installed_at: app.filter(|at| *at < calendar::end()),
            return_rate: (0.08 * random.gamma(0.7, 1.0)).min(0.7),
            consents: random.chance(0.84),
            open_rate: 0.75 * random.uniform().powf(1.3),
            contentment,
            attitudes: [3.3, 2.9, 2.7, 3.5].map(|mean| mean + 0.9 * random.normal()),
            planned: if never_buys || random.chance(0.08) { Vec::new() } else { vec![first_order] },
            last_order_at: None,
            unsubscribed_at: None,
            place: places::place(random),
            gender,
            birth_year,
            acquisition,
            email: places::email(random, gender, number),
        }
    }

    /// Their key in the raw files.
    pub(crate) fn id(&self) -> Id {
        Id(self.number)
    }

    /// Whether mail may be sent to them at that instant.
    pub(crate) fn accepts_mail(&self, at: i64) -> bool {
        self.consents && self.signed_up_at < at && self.unsubscribed_at.is_none_or(|left| left > at)
    }

    fn line(&self) -> String {
        let Place { country, city, postal_code } = &self.place;
        let birth_year = self.birth_year.map(|year| year.to_string()).unwrap_or_default();
        let consent = if self.consents && self.unsubscribed_at.is_none() { "yes" } else { "no" };
        let installed =
            self.app_installed_at.map(|at| Stamp(at).to_string()[..10].to_owned()).unwrap_or_default();
        format!(
            "{},{},{},{birth_year},{country},{city},{postal_code},{},{},{},{consent},{installed}",
            self.id(),
            self.email,
            self.gender,
            Stamp(self.signed_up_at),
            self.acquisition,
            self.device,
        )
    }
}

/// A third of the customers are older than the demo; the others come in its seasons, more of them later.
fn sign_up(random: &mut Random) -> i64 {
    let (beginning, end) = (calendar::beginning(), calendar::end());
    if random.chance(0.36) {
        let age = (1_215.0 * random.uniform().powf(1.25)) as i64;
        return demand::at_some_hour(random, beginning - (age + 1) * DAY);
    }
    loop {
        let day = random.between(0, (end - beginning) / DAY);
        let growth = 0.8 + 0.4 * day as f64 / ((end - beginning) / DAY) as f64;
        if random.chance(growth * demand::season(beginning + day * DAY) / 4.0) {
            return demand::at_some_hour(random, beginning + day * DAY);
        }
    }
}

const HEADER: &str = "customer_id,email,gender,birth_year,country,city,postal_code,registered,acquisition,device,consent,app_installed_on";

const CORRUPTION: Corruption = Corruption {
    one_in: 2_500,
    delimiter: ',',
    kinds: &[
        (CorruptionKind::Field(0, ""), 2),
        (CorruptionKind::Field(3, "19x4"), 2),
        (CorruptionKind::Field(7, "2025-02-31 10:00:00"), 2),
        (CorruptionKind::Twice, 1),
    ],
};

/// Writes `customers.csv` as it stands at the end, and returns the number of its rows.
pub(crate) fn write(out: &Path, seed: u64, customers: &[Customer]) -> io::Result<u64> {
    let mut file =
        RawFile::create(&out.join("customers.csv"), HEADER, CORRUPTION, corruption_stream(seed, 1, 0))?;
    for customer in customers {
        file.row_and_copy(&customer.line())?;
    }
    file.finish()
}
