//! From a metric as written to a valid [`Metric`]; every problem is reported.

use std::time::Duration;

use tranche_project::{Location, Problems, SourceFile, Spanned, check_version, duration};

use super::metric::{Aggregate, Cap, Direction, Fact, Metric, MetricKind, Missing, Over, Step};
use super::spec::{
    AggregateSpec, CapSpec, DirectionSpec, FactSpec, MetricSpec, MissingSpec, OverSpec, TypeSpec, WindowSpec,
};

/// The most steps that a funnel has.
pub(crate) const MOST_STEPS: usize = 32;

/// Validates a metric; every problem is reported.
pub(super) fn validate(spec: MetricSpec, file: &SourceFile, problems: &mut Problems) -> Option<Metric> {
    check_version(&spec.version, file, problems);
    let kind_of = spec.kind.value;
    let mut reading = Reading { file, problems };
    reading.only_where_it_means_something(&spec);
    let cap = spec.cap.as_ref().and_then(|cap| reading.cap(cap));
    let delay =
        spec.delay.as_ref().and_then(|text| reading.length(&text.value, text.referenced)).unwrap_or_default();
    let window = match &spec.window {
        Some(Spanned { value: WindowSpec::Length(text), referenced, .. })
            if kind_of != TypeSpec::Retention =>
        {
            reading.length(text, *referenced)
        }
        _ => None,
    };
    let missing = match spec.missing.as_ref().map(|missing| missing.value).unwrap_or_default() {
        MissingSpec::Zero => Missing::Zero,
        MissingSpec::Exclude => Missing::Exclude,
    };
    let direction = match spec.direction {
        DirectionSpec::Increase => Direction::Increase,
        DirectionSpec::Decrease => Direction::Decrease,
    };
    let (name, description, unit) = (spec.metric.value.clone(), spec.description.clone(), spec.unit.clone());
    let kind = reading.kind(spec)?;
    Some(Metric { name, description, kind, unit, direction, cap, window, delay, missing, file: file.clone() })
}

/// Reads the parts of one metric.
struct Reading<'a> {
    file: &'a SourceFile,
    problems: &'a mut Problems,
}

impl Reading<'_> {
    fn wrong(&mut self, at: Location, message: impl Into<String>) {
        self.problems.report(self.file, at, message.into());
    }

    fn kind(&mut self, spec: MetricSpec) -> Option<MetricKind> {
        let at = spec.kind.referenced;
        match spec.kind.value {
            TypeSpec::Mean => {
                let aggregate = self.aggregate(spec.fact.as_ref(), "a mean")?;
                Some(MetricKind::Mean(self.fact(spec.fact, at, aggregate)?))
            }
            // The share of units with an event, however the author asked for the events.
            TypeSpec::Proportion => Some(MetricKind::Proportion(self.fact(spec.fact, at, Aggregate::Any)?)),
            TypeSpec::Count => Some(MetricKind::Count(self.fact(spec.fact, at, Aggregate::Count)?)),
            TypeSpec::Ratio => match (spec.numerator, spec.denominator) {
                (Some(numerator), Some(denominator)) => Some(MetricKind::Ratio { numerator, denominator }),
                _ => {
                    self.wrong(at, "a ratio needs `numerator:` and `denominator:`, the names of two metrics");
                    None
                }
            },
            TypeSpec::Quantile => self.quantile(spec),
            TypeSpec::Retention => self.retention(spec),
            TypeSpec::Funnel => self.funnel(spec),
        }
    }

    fn quantile(&mut self, spec: MetricSpec) -> Option<MetricKind> {
        let at = spec.kind.referenced;
        let Some(level) = spec.quantile else {
            self.wrong(at, "a quantile needs `quantile:`, between 0 and 1; 0.9 is the 90th percentile");
            return None;
        };
        if !(level.value > 0.0 && level.value < 1.0) {
            self.wrong(level.referenced, "a quantile lies between 0 and 1; 0.9 is the 90th percentile");
        }
        let over = spec.over.map(|over| over.value).unwrap_or_default();
        let (over, aggregate) = match over {
            OverSpec::Units => (Over::Units, self.aggregate(spec.fact.as_ref(), "a quantile over units")?),
            OverSpec::Events => (Over::Events, Aggregate::Sum),
        };
        let fact = self.fact(spec.fact, at, aggregate)?;
        Some(MetricKind::Quantile { fact, level: level.value, over })
    }

    fn retention(&mut self, spec: MetricSpec) -> Option<MetricKind> {
        let at = spec.kind.referenced;
        let Some(Spanned { value: WindowSpec::Range(range), referenced, .. }) = &spec.window else {
            let at = spec.window.as_ref().map_or(at, |window| window.referenced);
            self.wrong(
                at,
                "a retention needs from when to when after exposure: `window: {from: 7 days, to: 14 days}`",
            );
            return None;
        };
        let (from, to) =
            (self.length_from_zero(&range.from, *referenced)?, self.length(&range.to, *referenced)?);
        if from >= to {
            self.wrong(*referenced, "the window ends before it begins");
        }
        Some(MetricKind::Retention { fact: self.fact(spec.fact, at, Aggregate::Any)?, from, to })
    }

    fn funnel(&mut self, spec: MetricSpec) -> Option<MetricKind> {
        let at = spec.kind.referenced;
        let (Some(steps), Some(within)) = (spec.steps, spec.within) else {
            self.wrong(
                at,
                "a funnel needs `steps:`, a list of `{table, where}`, and `within:`, such as `7 days`",
            );
            return None;
        };
        if !(1..=MOST_STEPS).contains(&steps.value.len()) {
            self.wrong(steps.referenced, format!("a funnel has 1 to {MOST_STEPS} steps"));
            return None;
        }
        let within = self.length(&within.value, within.referenced)?;
        let steps =
            steps.value.into_iter().map(|step| Step { table: step.table, filter: step.filter }).collect();
        Some(MetricKind::Funnel { steps, within })
    }

    fn aggregate(&mut self, fact: Option<&Spanned<FactSpec>>, of: &str) -> Option<Aggregate> {
        // A missing fact is reported where it is read.
        let Some(fact) = fact else { return Some(Aggregate::Count) };
        let Some(aggregate) = &fact.value.aggregate else {
            let message =
                format!("{of} needs `aggregate:`, what becomes of a unit's events: sum, count or any");
            self.wrong(fact.referenced, message);
            return None;
        };
        Some(match aggregate.value {
            AggregateSpec::Sum => Aggregate::Sum,
            AggregateSpec::Count => Aggregate::Count,
            AggregateSpec::Any => Aggregate::Any,
        })
    }

    fn fact(&mut self, spec: Option<Spanned<FactSpec>>, at: Location, aggregate: Aggregate) -> Option<Fact> {
        let Some(Spanned { value: spec, referenced, .. }) = spec else {
            self.wrong(at, "a metric of this type needs a `fact:`");
            return None;
        };
        if aggregate == Aggregate::Sum && spec.value.is_none() {
            let at = spec.aggregate.as_ref().map_or(referenced, |aggregate| aggregate.referenced);
            let message = match spec.aggregate {
                Some(_) => "a sum needs `value:`, what to add up",
                None => "a quantile over events needs `value:`, the value of an event",
            };
            self.wrong(at, message);
        }
        Some(Fact { table: spec.table, value: spec.value, aggregate, filter: spec.filter })
    }

    fn cap(&mut self, cap: &Spanned<CapSpec>) -> Option<Cap> {
        match cap.value {
            CapSpec { value: Some(value), quantile: None } => Some(Cap::Value(value)),
            CapSpec { value: None, quantile: Some(q) } if (0.0..=1.0).contains(&q) => Some(Cap::Quantile(q)),
            _ => {
                self.wrong(
                    cap.referenced,
                    "a cap is `{value: ...}` or `{quantile: ...}`, the latter from 0 to 1",
                );
                None
            }
        }
    }

    fn length(&mut self, text: &str, at: Location) -> Option<Duration> {
        duration::parse(text).map_err(|message| self.wrong(at, message)).ok()
    }

    fn length_from_zero(&mut self, text: &str, at: Location) -> Option<Duration> {
        duration::parse_from_zero(text).map_err(|message| self.wrong(at, message)).ok()
    }

    /// A key that has no meaning for a type is a mistake.
    fn only_where_it_means_something(&mut self, spec: &MetricSpec) {
        let misplaced = misplaced_parts(spec).into_iter().chain(misplaced_limits(spec));
        for (position, message) in misplaced.flatten() {
            self.wrong(position, message);
        }
    }
}

/// Where a key stands that has no meaning for the metric's type, and what to write instead.
type Misplaced = Option<(Location, &'static str)>;

/// `key`, unless the metric's type is one of those that it `means` something for.
fn misplaced(
    spec: &MetricSpec,
    key: Option<Location>,
    means: &[TypeSpec],
    message: &'static str,
) -> Misplaced {
    key.filter(|_| !means.contains(&spec.kind.value)).map(|position| (position, message))
}

/// Of the keys that say what a metric is made of.
fn misplaced_parts(spec: &MetricSpec) -> [Misplaced; 6] {
    use TypeSpec::{Count, Funnel, Mean, Proportion, Quantile, Ratio, Retention};
    let at = |key, means: &[TypeSpec], message| misplaced(spec, key, means, message);
    [
        at(
            spec.fact.as_ref().map(|fact| fact.referenced),
            &[Mean, Proportion, Count, Quantile, Retention],
            if spec.kind.value == Ratio {
                "a ratio has `numerator:` and `denominator:`, two other metrics, and no fact of its own"
            } else {
                "a funnel has `steps:`, and no fact of its own"
            },
        ),
        at(
            spec.numerator.as_ref().or(spec.denominator.as_ref()).map(|part| part.referenced),
            &[Ratio],
            "only a ratio has a numerator and a denominator",
        ),
        at(spec.quantile.as_ref().map(|q| q.referenced), &[Quantile], "only a quantile has a `quantile:`"),
        at(
            spec.over.as_ref().map(|over| over.referenced),
            &[Quantile],
            "only a quantile is `over:` units or events",
        ),
        at(spec.steps.as_ref().map(|steps| steps.referenced), &[Funnel], "only a funnel has steps"),
        at(
            spec.within.as_ref().map(|within| within.referenced),
            &[Funnel],
            "only a funnel has `within:`; write `window:`",
        ),
    ]
}

/// Of the keys that limit what counts: times, caps, missing values.
fn misplaced_limits(spec: &MetricSpec) -> [Misplaced; 4] {
    use TypeSpec::{Count, Funnel, Mean, Proportion, Quantile, Ratio, Retention};
    let at = |key, means: &[TypeSpec], message| misplaced(spec, key, means, message);
    let over_events = spec.over.as_ref().is_some_and(|over| over.value == OverSpec::Events);
    let is_range = spec.window.as_ref().is_some_and(|window| matches!(window.value, WindowSpec::Range(_)));
    [
        at(
            spec.window.as_ref().map(|window| window.referenced),
            if is_range { &[Retention] } else { &[Mean, Proportion, Count, Quantile, Retention] },
            match spec.kind.value {
                Ratio => "a ratio has no window of its own; the metrics that it is made of have one each",
                Funnel => "a funnel has `within:`, how long after exposure its steps count",
                _ => {
                    "only a retention has a window `from` and `to`; write its length, and `delay:` if it begins later"
                }
            },
        ),
        at(
            spec.delay.as_ref().map(|delay| delay.referenced),
            &[Mean, Proportion, Count, Quantile, Funnel],
            if spec.kind.value == Ratio {
                "a ratio has no delay of its own; the metrics that it is made of have one each"
            } else {
                "a retention's window says when it begins"
            },
        ),
        at(
            spec.cap.as_ref().map(|cap| cap.referenced),
            &[Mean, Proportion, Count],
            match spec.kind.value {
                Ratio => "a ratio has no cap of its own; cap the metrics that it is made of",
                Quantile => "a quantile needs no cap: it does not depend on how large the largest values are",
                _ => "a share has no values to cap",
            },
        ),
        at(
            spec.missing
                .as_ref()
                .filter(|missing| missing.value == MissingSpec::Exclude)
                .map(|missing| missing.referenced),
            if over_events { &[] } else { &[Mean, Count, Quantile] },
            "`missing: exclude` has a meaning for a mean, a count and a quantile over units",
        ),
    ]
}
