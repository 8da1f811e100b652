//! The tables of random histories, and what is asked of them.

use tranche_stats::Generator;

use super::lake::PIPELINE;

/// The tables, without their names.
pub(super) const SCHEMAS: [(&str, &str); 4] = [
    (
        "people",
        "kind: entity\nentity: person\nkey: [person]\ncolumns:\n  - {name: person, type: utf8, nullable: false}\n  \
         - {name: plan, type: utf8}\n  - {name: house, type: utf8}\n",
    ),
    (
        "sends",
        "kind: event\nentity: {person: who}\nkey: [send]\nevent_time: sent_at\ncolumns:\n  \
         - {name: send, type: utf8, nullable: false}\n  - {name: who, type: utf8}\n  - {name: arm, type: utf8}\n  \
         - {name: campaign, type: utf8}\n  - {name: seen_at, type: 'timestamp(us, UTC)'}\n  \
         - {name: sent_at, type: 'timestamp(us, UTC)', nullable: false}\n",
    ),
    (
        "orders",
        "kind: event\nentity: {person: buyer}\nkey: [id]\nevent_time: ordered_at\ncolumns:\n  \
         - {name: id, type: utf8, nullable: false}\n  - {name: buyer, type: utf8}\n  - {name: kind, type: utf8}\n  \
         - {name: amount, type: 'decimal(12,2)'}\n  - {name: items, type: int64}\n  - {name: weight, type: float64}\n  \
         - {name: ordered_at, type: 'timestamp(us, UTC)', nullable: false}\n",
    ),
    (
        "visits",
        "kind: event\nentity: {person: visitor}\nkey: [visit]\nevent_time: visited_at\ncolumns:\n  \
         - {name: visit, type: utf8, nullable: false}\n  - {name: visitor, type: utf8}\n  - {name: page, type: utf8}\n  \
         - {name: visited_at, type: 'timestamp(us, UTC)', nullable: false}\n",
    ),
];

/// Metrics of every type, with each way that facts are added up.
pub(super) const METRICS: [(&str, &str); 16] = [
    ("revenue", "type: mean\nfact: {table: orders, value: amount, aggregate: sum}"),
    ("items", "type: mean\nfact: {table: orders, value: items, aggregate: sum, where: \"kind = 'a'\"}"),
    ("weight", "type: mean\nfact: {table: orders, value: weight, aggregate: sum}"),
    ("orders", "type: count\nfact: {table: orders}"),
    ("heavy", "type: count\nfact: {table: orders, where: \"weight > 1.5 OR kind IS NULL\"}"),
    ("bought", "type: proportion\nfact: {table: orders, where: \"amount > 10\"}"),
    ("basket", "type: ratio\nnumerator: revenue\ndenominator: orders"),
    (
        "paid",
        "type: mean\nmissing: exclude\nfact: {table: orders, value: amount, aggregate: sum, where: \"kind = 'b'\"}",
    ),
    ("capped", "type: mean\ncap: {quantile: 0.9}\nfact: {table: orders, value: amount * 2, aggregate: sum}"),
    (
        "late",
        "type: mean\ndelay: 12 hours\nwindow: 2 days\nfact: {table: orders, value: items, aggregate: sum}",
    ),
    ("median", "type: quantile\nquantile: 0.5\nfact: {table: orders, value: amount, aggregate: sum}"),
    ("order_size", "type: quantile\nquantile: 0.7\nover: events\nfact: {table: orders, value: amount}"),
    (
        "load",
        "type: quantile\nquantile: 0.5\nover: events\nfact: {table: orders, value: weight, where: \"kind <> 'b'\"}",
    ),
    ("back", "type: retention\nwindow: {from: 1 day, to: 3 days}\nfact: {table: visits}"),
    ("visits", "type: count\nfact: {table: visits, where: \"page = 'cart'\"}"),
    (
        "checkout",
        "type: funnel\nwithin: 2 days\nsteps:\n  - {table: visits}\n  - {table: visits, where: \"page = 'cart'\"}\n  \
         - {table: orders}",
    ),
];

/// Metrics that can be covariates.
const COVARIATES: [&str; 5] = ["revenue", "weight", "orders", "visits", "basket"];

/// Experiments and the metrics that they choose from, as they are on a day.
#[derive(Debug, Clone)]
pub(super) struct Definitions {
    experiments: Vec<(String, String)>,
    /// Conditions that were changed: one is written for the other.
    rewritten: Vec<(&'static str, &'static str)>,
}

impl Definitions {
    /// Some experiments in a period of September 2026.
    pub(super) fn random(random: &mut Generator) -> Self {
        let count = 1 + random.below(3);
        let experiments = (0..count).map(|number| experiment(number, random)).collect();
        Self { experiments, rewritten: Vec::new() }
    }

    /// An author changes something; says what.
    pub(super) fn change(&mut self, random: &mut Generator) -> String {
        match random.below(4) {
            0 if self.experiments.len() > 1 => {
                let gone = self.experiments.remove(random.below(self.experiments.len()));
                format!("{} is no more", gone.0)
            }
            1 => {
                let number = random.below(self.experiments.len());
                let own = experiment(number, random);
                self.experiments[number].1 = own.1.replace(&own.0, &self.experiments[number].0);
                format!("{} is another", self.experiments[number].0)
            }
            2 => {
                let number = self
                    .experiments
                    .iter()
                    .filter_map(|(name, _)| name[1..].parse::<usize>().ok())
                    .max()
                    .unwrap_or(0);
                self.experiments.push(experiment(number + 1, random));
                format!("e{} is new", number + 1)
            }
            _ => {
                let change = [
                    ("kind = 'a'", "kind = 'b'"),
                    ("amount > 10", "amount > 11"),
                    ("delay: 12 hours", "delay: 13 hours"),
                ];
                let change = change[random.below(change.len())];
                self.rewritten.push(change);
                format!("{} becomes {}", change.0, change.1)
            }
        }
    }

    /// The files of the project.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let folder = format!("pipelines/{PIPELINE}");
        let mut files = vec![
            ("tranche.yaml".to_owned(), "version: 1\nlake: ./lake\n".to_owned()),
            (format!("{folder}/pipeline.yaml"), format!("version: 1\npipeline: {PIPELINE}\nsteps: []\n")),
            (
                format!("{folder}/segments/plan.sql"),
                "/*---\nsegment_set: plan\nentity: person\n---*/\nSELECT person, plan FROM people WHERE plan IS NOT NULL\n"
                    .to_owned(),
            ),
        ];
        for (name, text) in METRICS {
            let text = self.rewritten.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
            files.push((
                format!("{folder}/metrics/{name}.yaml"),
                format!("version: 1\nmetric: {name}\n{text}\n"),
            ));
        }
        for (name, text) in &self.experiments {
            files.push((format!("{folder}/experiments/{name}.yaml"), text.clone()));
        }
        files
    }
}

/// The windows that facts count in, in hours; none without an end.
pub(super) const WINDOWS: [Option<i64>; 4] = [None, Some(24), Some(72), Some(36)];
/// How long before exposure covariates are measured, in hours.
pub(super) const LOOKBACKS: [Option<i64>; 3] = [None, Some(48), Some(24 * 7)];

fn experiment(number: usize, random: &mut Generator) -> (String, String) {
    fn pick<'a, T: ?Sized>(from: &[&'a T], random: &mut Generator) -> &'a T {
        from[random.below(from.len())]
    }
    let name = format!("e{number}");
    let mut metrics: Vec<&str> =
        METRICS.iter().map(|(name, _)| *name).filter(|_| random.below(2) == 0).collect();
    if metrics.is_empty() {
        metrics.push("revenue");
    }
    let mut text = format!("version: 1\nexperiment: {name}\nentity: person\n");
    let campaign = pick(&["", ", where: \"campaign = 'x'\"", ", where: \"campaign <> 'y'\""], random);
    let at = pick(&["", "", ", at: seen_at"], random);
    text += &format!(
        "exposure: {{table: sends{campaign}, variant: arm{at}}}\nvariants: {{a: 0.5, b: 0.5}}\ncontrol: a\n"
    );
    text += pick(&["", "", "", "cluster: house\n"], random);
    text +=
        &format!("period: {{from: 2026-09-0{}, to: 2026-09-2{}}}\n", 1 + random.below(4), random.below(3));
    if let Some(hours) = WINDOWS[random.below(WINDOWS.len())] {
        text += &format!("conversion_window: {hours} hours\n");
    }
    text += &format!(
        "metrics: {{goal: [{}]}}\n{}",
        metrics.join(", "),
        pick(&["", "segments: [plan/*]\n"], random)
    );
    let mut statistics = vec!["alpha: 0.05".to_owned()];
    if let Some(hours) = LOOKBACKS[random.below(LOOKBACKS.len())] {
        let count = 1 + random.below(2);
        let first = random.below(COVARIATES.len() - 1);
        statistics.push(format!(
            "cuped: {{lookback: {hours} hours, covariates: [{}]}}",
            COVARIATES[first..][..count].join(", ")
        ));
    }
    if random.below(4) == 0 {
        statistics
            .push("inference: group_sequential, looks: [2026-09-07, 2026-09-09, 2026-10-15]".to_owned());
    }
    (name, format!("{text}statistics: {{{}}}\n", statistics.join(", ")))
}
