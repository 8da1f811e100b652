//! Metrics of a scheduler and its runs, as Prometheus reads them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tranche_pipeline::{
    FailureClass, Observer, RunPlan, RunRecord, RunStatus, Step, StepFailure, StepOutcome,
};

/// Upper bounds of the histogram of steps' durations, in seconds: from an instant to a long night.
const BUCKETS_SECONDS: [f64; 13] =
    [0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0];

/// The final outcome of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotEnd {
    /// Its run is done.
    Done,
    /// Its run failed.
    Failed,
    /// It was skipped, since an earlier run had not ended or the pipeline was paused.
    Skipped,
    /// It passed while no scheduler was there, and `catchup` does not ask for it.
    Missed,
}

/// The metrics of a process. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Families>);

type SecondsGauge = Gauge<f64, AtomicU64>;

#[derive(Debug)]
struct Families {
    registry: Registry,
    slots: Family<SlotLabels, Counter>,
    lag_seconds: Family<PipelineLabels, SecondsGauge>,
    running: Family<PipelineLabels, Gauge>,
    step_seconds: Family<StepLabels, Histogram, fn() -> Histogram>,
    rows_read: Family<StepLabels, Counter>,
    rows_written: Family<StepLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
    freshness_seconds: Family<DatasetLabels, SecondsGauge>,
    /// The instants whose ages `freshness_seconds` shows; ages are computed at each scrape.
    fresh_as_of: Mutex<BTreeMap<DatasetLabels, Timestamp>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PipelineLabels {
    pipeline: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SlotLabels {
    pipeline: String,
    fate: SlotEnd,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    pipeline: String,
    step: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    pipeline: String,
    step: String,
    class: Class,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
struct DatasetLabels {
    kind: String,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Class(FailureClass);

impl Default for Metrics {
    fn default() -> Self {
        let mut families = Families {
            registry: Registry::default(),
            slots: Family::default(),
            lag_seconds: Family::default(),
            running: Family::default(),
            step_seconds: Family::<_, _, fn() -> Histogram>::new_with_constructor(|| {
                Histogram::new(BUCKETS_SECONDS)
            }),
            rows_read: Family::default(),
            rows_written: Family::default(),
            failures: Family::default(),
            freshness_seconds: Family::default(),
            fresh_as_of: Mutex::default(),
        };
        families.register();
        Self(Arc::new(families))
    }
}

impl Families {
    /// Registers every family. Counters get their suffix `_total`, and help texts their full stop, from the
    /// registry.
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("tranche_slots", "Slots by their outcome", self.slots.clone());
        registry.register(
            "tranche_schedule_lag_seconds",
            "Age of the oldest slot that is due and not decided",
            self.lag_seconds.clone(),
        );
        registry.register("tranche_runs_running", "Runs active in this process", self.running.clone());
        registry.register(
            "tranche_step_duration_seconds",
            "Duration of successful steps",
            self.step_seconds.clone(),
        );
        registry.register("tranche_rows_read", "Rows read by steps", self.rows_read.clone());
        registry.register("tranche_rows_written", "Rows written by steps", self.rows_written.clone());
        registry.register(
            "tranche_step_failures",
            "Failed step attempts by failure class",
            self.failures.clone(),
        );
        registry.register(
            "tranche_freshness_seconds",
            "Age of the newest data of a table or segment",
            self.freshness_seconds.clone(),
        );
    }
}

impl Metrics {
    /// Counts a slot that reached its outcome.
    pub fn slot(&self, pipeline: &str, end: SlotEnd) {
        self.0.slots.get_or_create(&SlotLabels { pipeline: pipeline.to_owned(), fate: end }).inc();
    }

    /// Sets how far a pipeline is behind its schedule: the age of its oldest slot that is due and not
    /// decided.
    pub fn lag(&self, pipeline: &str, lag: Duration) {
        let labels = PipelineLabels { pipeline: pipeline.to_owned() };
        self.0.lag_seconds.get_or_create(&labels).set(lag.as_secs_f64());
    }

    /// Sets the instant of the newest data of a dataset: kind `table` or `segment`.
    pub fn fresh(&self, kind: &str, name: &str, as_of: Timestamp) {
        let labels = DatasetLabels { kind: kind.to_owned(), name: name.to_owned() };
        self.0.fresh_as_of.lock().unwrap_or_else(PoisonError::into_inner).insert(labels, as_of);
    }

    /// Measures a run of a pipeline while the meter lives.
    #[must_use]
    pub fn watch(&self, pipeline: &str) -> RunMeter {
        let meter = RunMeter {
            metrics: self.clone(),
            pipeline: pipeline.to_owned(),
            fills_slot: AtomicBool::new(false),
        };
        meter.running().inc();
        meter
    }

    /// All metrics in the text format of OpenMetrics 1.0. Ages are those at `now`.
    #[must_use]
    pub fn text(&self, now: Timestamp) -> String {
        let fresh_as_of = self.0.fresh_as_of.lock().unwrap_or_else(PoisonError::into_inner);
        for (labels, as_of) in fresh_as_of.iter() {
            let age_seconds = now.duration_since(*as_of).as_secs_f64();
            self.0.freshness_seconds.get_or_create(labels).set(age_seconds);
        }
        drop(fresh_as_of);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

/// Measures one run while it lives.
#[derive(Debug)]
pub struct RunMeter {
    metrics: Metrics,
    pipeline: String,
    fills_slot: AtomicBool,
}

impl RunMeter {
    fn running(&self) -> Gauge {
        let labels = PipelineLabels { pipeline: self.pipeline.clone() };
        self.metrics.0.running.get_or_create_owned(&labels)
    }

    fn labels(&self, step: &Step) -> StepLabels {
        StepLabels { pipeline: self.pipeline.clone(), step: step.id.clone() }
    }
}

impl Drop for RunMeter {
    fn drop(&mut self) {
        self.running().dec();
    }
}

impl Observer for RunMeter {
    fn step_done(&self, step: &Step, outcome: &StepOutcome, seconds: f64) {
        let (families, labels) = (&self.metrics.0, self.labels(step));
        families.step_seconds.get_or_create(&labels).observe(seconds);
        families.rows_read.get_or_create(&labels).inc_by(outcome.rows_read);
        families.rows_written.get_or_create(&labels).inc_by(outcome.rows_written);
    }

    fn step_failed(&self, step: &Step, failure: &StepFailure, _: Option<Duration>) {
        let StepLabels { pipeline, step } = self.labels(step);
        let labels = FailureLabels { pipeline, step, class: Class(failure.class) };
        self.metrics.0.failures.get_or_create(&labels).inc();
    }

    fn run_started(&self, run: &RunPlan) {
        self.fills_slot.store(run.slot.is_some(), Ordering::Relaxed);
    }

    fn run_ended(&self, report: &RunRecord) {
        let end = match report.status {
            RunStatus::Done => SlotEnd::Done,
            RunStatus::Failed => SlotEnd::Failed,
            RunStatus::Running | RunStatus::Skipped | RunStatus::Missed => return,
        };
        if self.fills_slot.load(Ordering::Relaxed) {
            self.metrics.slot(&self.pipeline, end);
        }
    }
}

impl EncodeLabelValue for SlotEnd {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

impl EncodeLabelValue for Class {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self.0 {
            FailureClass::Definition => "definition",
            FailureClass::Data => "data",
            FailureClass::Storage => "storage",
            FailureClass::Timeout => "timeout",
            FailureClass::Internal => "internal",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_written_as_open_metrics() {
        let metrics = Metrics::default();
        let now: Timestamp = "2026-11-01T02:00:00Z".parse().unwrap();
        metrics.slot("shop", SlotEnd::Done);
        metrics.slot("shop", SlotEnd::Done);
        metrics.slot("a\"b\\", SlotEnd::Missed);
        metrics.lag("shop", Duration::from_millis(1_500));
        metrics.fresh("table", "orders", "2026-11-01T01:00:00Z".parse().unwrap());
        let text = metrics.text(now);
        for line in [
            "# TYPE tranche_slots counter",
            "tranche_slots_total{pipeline=\"shop\",fate=\"done\"} 2",
            "tranche_slots_total{pipeline=\"a\\\"b\\\\\",fate=\"missed\"} 1",
            "tranche_schedule_lag_seconds{pipeline=\"shop\"} 1.5",
            "tranche_freshness_seconds{kind=\"table\",name=\"orders\"} 3600.0",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
