//! The text that Prometheus scrapes, in its format 0.0.4.

use std::fmt::Write;

use jiff::Timestamp;

use super::{BUCKETS_SECONDS, Histogram, Metrics};

impl Metrics {
    /// All measures as text. Ages are those at `now`.
    #[must_use]
    pub fn text(&self, now: Timestamp) -> String {
        let measured = self.measured();
        let mut page = Page::default();
        page.family("tranche_slots_total", "counter", "Slots by what became of them.");
        for ((pipeline, fate), count) in &measured.slots {
            page.sample("tranche_slots_total", &[("pipeline", pipeline), ("fate", fate.name())], *count);
        }
        page.family(
            "tranche_schedule_lag_seconds",
            "gauge",
            "Age of the oldest slot that came and has no fate yet.",
        );
        for (pipeline, lag) in &measured.lag_seconds {
            page.sample("tranche_schedule_lag_seconds", &[("pipeline", pipeline)], lag);
        }
        page.family("tranche_runs_running", "gauge", "Runs at work in this process.");
        for (pipeline, running) in &measured.running {
            page.sample("tranche_runs_running", &[("pipeline", pipeline)], running);
        }
        page.family("tranche_step_duration_seconds", "histogram", "How long steps took that did their work.");
        for ((pipeline, step), histogram) in &measured.steps {
            page.histogram(
                "tranche_step_duration_seconds",
                &[("pipeline", pipeline), ("step", step)],
                histogram,
            );
        }
        for (name, help, rows) in [
            ("tranche_rows_read_total", "Rows that steps read.", &measured.rows_read),
            ("tranche_rows_written_total", "Rows that steps wrote.", &measured.rows_written),
        ] {
            page.family(name, "counter", help);
            for ((pipeline, step), count) in rows {
                page.sample(name, &[("pipeline", pipeline), ("step", step)], *count);
            }
        }
        page.family(
            "tranche_step_failures_total",
            "counter",
            "Attempts at steps that failed, by who has to act.",
        );
        for ((pipeline, step, class), count) in &measured.failures {
            page.sample(
                "tranche_step_failures_total",
                &[("pipeline", pipeline), ("step", step), ("class", class)],
                *count,
            );
        }
        page.family("tranche_freshness_seconds", "gauge", "Age of the newest data of a table or segment.");
        for ((kind, name), as_of) in &measured.fresh_as_of {
            let age = now.duration_since(*as_of).as_secs_f64();
            page.sample("tranche_freshness_seconds", &[("kind", kind), ("name", name)], age);
        }
        page.0
    }
}

/// Writing to a text cannot fail, so that nobody is told of it.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let _ = writeln!(self.0, "{name}{{{}}} {value}", labels.join(","));
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut so_far = 0;
        for (bound, count) in BUCKETS_SECONDS.iter().zip(histogram.counts) {
            so_far += count;
            let bound = bound.to_string();
            let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.sample(&format!("{name}_bucket"), &labels, so_far);
        }
        let all: Vec<(&str, &str)> = labels.iter().copied().chain([("le", "+Inf")]).collect();
        self.sample(&format!("{name}_bucket"), &all, histogram.count);
        self.sample(&format!("{name}_sum"), labels, histogram.sum);
        self.sample(&format!("{name}_count"), labels, histogram.count);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::SlotEnd;

    #[test]
    fn measures_are_written_as_prometheus_reads_them() {
        let metrics = Metrics::default();
        let now: Timestamp = "2026-11-01T02:00:00Z".parse().unwrap();
        metrics.slot("shop", SlotEnd::Done);
        metrics.slot("shop", SlotEnd::Done);
        metrics.slot("a\"b\\", SlotEnd::Missed);
        metrics.lag("shop", Duration::from_millis(1_500));
        metrics.fresh("table", "orders", "2026-11-01T01:00:00Z".parse().unwrap());
        let text = metrics.text(now);
        for line in [
            "# TYPE tranche_slots_total counter",
            "tranche_slots_total{pipeline=\"shop\",fate=\"done\"} 2",
            "tranche_slots_total{pipeline=\"a\\\"b\\\\\",fate=\"missed\"} 1",
            "tranche_schedule_lag_seconds{pipeline=\"shop\"} 1.5",
            "tranche_freshness_seconds{kind=\"table\",name=\"orders\"} 3600",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn buckets_count_all_that_is_no_longer() {
        let mut histogram = Histogram::default();
        for seconds in [0.05, 0.1, 0.7, 100_000.0] {
            histogram.observe(seconds);
        }
        let mut page = Page::default();
        page.histogram("x", &[], &histogram);
        for line in [
            "x_bucket{le=\"0.1\"} 2",
            "x_bucket{le=\"1\"} 3",
            "x_bucket{le=\"21600\"} 3",
            "x_bucket{le=\"+Inf\"} 4",
            "x_count{} 4",
        ] {
            assert!(page.0.lines().any(|found| found == line), "{line}\n{}", page.0);
        }
    }
}
