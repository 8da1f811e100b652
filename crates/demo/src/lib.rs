//! The demo shop: raw files of a made-up retailer, for `init`, the guide and the tests.
//!
//! [`generate`] writes eighteen months, May 2025 to October 2026, into a project's `data/`: customers, orders, web events, mails, a
//! survey and complaints. Everything follows from a customer's hidden rates and tastes, so the files agree with each other:
//! discontent customers say so, complain and leave; who opens mail also answers surveys. There are seasons and weekdays, heavy
//! tails, churn, an experiment with a true effect, and a few dozen rows that are corrupted in the ways raw rows are.
//!
//! A seed gives the same files every time; a demo with fewer customers has the same first ones. Memory holds the customers and one
//! month of their events.
//!
//! ```
//! use tranche_demo::{DemoOptions, generate};
//!
//! let folder = std::env::temp_dir().join(format!("tranche-demo-example-{}", std::process::id()));
//! let summary = generate(&DemoOptions { customers: 10, seed: 1 }, &folder, &mut |_month| {})?;
//! assert!(summary.files.iter().any(|(name, rows)| *name == "customers.csv" && *rows >= 10));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod calendar;
mod customers;
mod demand;
mod feedback;
mod orders;
mod places;
mod random;
mod raw_file;
mod sends;
mod web_events;
mod winback;

use std::io;
use std::path::Path;

use calendar::Month;
use customers::Customer;
use feedback::{Answer, Complaint};
use orders::Order;
use random::{Random, Topic};
use sends::Send;
use web_events::WebEvent;

/// How large a demo, and which one.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Rows of `customers.csv`; all other files grow with it.
    pub customers: u32,
    /// The same seed writes the same files.
    pub seed: u64,
}

/// Twenty thousand customers, and a seed whose sample shows the experiment's effect at about its true size.
impl Default for DemoOptions {
    fn default() -> Self {
        Self { customers: 20_000, seed: 1 }
    }
}

/// What was written: rows of each family of files, those that are wrong included, headers not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// A path or glob relative to the folder, and its rows.
    pub files: Vec<(&'static str, u64)>,
}

/// Writes the demo's raw files under `out`, replacing files of the same name; `progress` hears of each month before it is written.
pub fn generate(options: &DemoOptions, out: &Path, progress: &mut dyn FnMut(&str)) -> io::Result<Summary> {
    let mut customers: Vec<Customer> =
        (1..=options.customers).map(|number| Customer::draw(options.seed, number)).collect();
    let (mut orders, mut web_events, mut sends) = (0, 0, 0);
    let (mut answers, mut complaints) = (Vec::new(), Vec::new());
    for month in calendar::months() {
        progress(&month.name);
        let mut events =
            Events { orders: orders::guests(options.seed, &month, options.customers), ..Events::default() };
        for customer in &mut customers {
            events.happen(options.seed, customer, &month);
        }
        orders += orders::write(out, options.seed, &month, orders, &mut events.orders)?;
        web_events += web_events::write(out, options.seed, &month, web_events, &mut events.web)?;
        sends += sends::write(out, options.seed, &month, sends, &mut events.sends)?;
        answers.append(&mut events.answers);
        complaints.append(&mut events.complaints);
    }
    Ok(Summary {
        files: vec![
            ("customers.csv", customers::write(out, options.seed, &customers)?),
            ("orders/*.csv", orders),
            ("web_events/*.ndjson", web_events),
            ("sends/*.csv", sends),
            ("survey.csv", feedback::write_answers(out, options.seed, &mut answers)?),
            ("complaints.csv", feedback::write_complaints(out, options.seed, &mut complaints)?),
        ],
    })
}

/// What happens in one month.
#[derive(Default)]
struct Events {
    orders: Vec<Order>,
    web: Vec<WebEvent>,
    sends: Vec<Send>,
    answers: Vec<Answer>,
    complaints: Vec<Complaint>,
}

impl Events {
    /// Lets a customer live through the month. Mail comes after their own orders and before those that it brings.
    fn happen(&mut self, seed: u64, customer: &mut Customer, month: &Month) {
        if customer.signed_up_at >= month.end {
            return;
        }
        let stream = |topic| Random::stream(seed, topic, u64::from(customer.number), month.number);
        let [mut ordering, mut mailing, mut browsing, mut answering, mut complaining] =
            [Topic::Orders, Topic::Sends, Topic::WebEvents, Topic::Survey, Topic::Complaints].map(stream);
        let mut orders = orders::place(&mut ordering, customer, month);
        self.sends.extend(sends::mail(&mut mailing, customer, month, &orders, seed));
        orders.extend(orders::due(&mut ordering, customer, month));
        customer.last_order_at = orders.iter().map(|order| order.at).max().max(customer.last_order_at);
        self.web.extend(web_events::browse(&mut browsing, customer, month, &orders));
        self.answers.extend(feedback::answer(&mut answering, customer, month));
        self.complaints.extend(feedback::complain(&mut complaining, customer, &orders));
        self.orders.append(&mut orders);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn demo(name: &str, options: &DemoOptions) -> io::Result<(PathBuf, Summary)> {
        let out = std::env::temp_dir().join(format!("tranche-demo-{}-{name}", std::process::id()));
        let summary = generate(options, &out, &mut |_| {})?;
        Ok((out, summary))
    }

    #[test]
    fn a_seed_repeats_and_a_smaller_demo_has_the_first_customers() -> io::Result<()> {
        let options = DemoOptions { customers: 300, seed: 7 };
        let (first, summary) = demo("first", &options)?;
        let (again, repeated) = demo("again", &options)?;
        let (small, _) = demo("small", &DemoOptions { customers: 100, seed: 7 })?;
        let text = |folder: &Path, file: &str| fs::read_to_string(folder.join(file));
        assert_eq!(summary, repeated);
        assert_eq!(text(&first, "orders/2026-09.csv")?, text(&again, "orders/2026-09.csv")?);
        assert_eq!(
            text(&first, "customers.csv")?.lines().nth(50),
            text(&small, "customers.csv")?.lines().nth(50)
        );
        for folder in [first, again, small] {
            fs::remove_dir_all(folder)?;
        }
        Ok(())
    }
}
