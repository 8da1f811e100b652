//! What a KPI's numbers mean: better or worse, met or missed. Words and drawings follow from here.

use maud::{Markup, html};

use crate::document::{Direction, KpiRow, KpiSummary, Measurement};
use crate::number::{ValueFormat, signed_percent};

/// The segment that is everyone.
pub(super) const ALL: &str = "all";

/// What a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Better,
    Worse,
    /// No more than chance would bring.
    Noise,
}

/// A change against the period compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) ratio: Option<f64>,
    pub(super) difference: Option<f64>,
    pub(super) judgement: Judgement,
}

/// Where a value stands against its target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Attainment {
    pub(super) met: bool,
    /// Whether the target lies within the value's interval.
    pub(super) close: bool,
    /// How far the value is above the target, as a ratio of it.
    pub(super) excess_ratio: Option<f64>,
}

/// The row of everyone.
pub(super) fn overall(kpi: &KpiSummary) -> Option<&KpiRow> {
    kpi.rows.iter().find(|row| row.segment == ALL)
}

/// How the values of `kpi` are written.
pub(super) fn format(kpi: &KpiSummary) -> ValueFormat {
    let value = |row: &KpiRow| number(row.measured.value);
    let reference = overall(kpi).and_then(value).or_else(|| kpi.rows.iter().find_map(value)).or(kpi.target);
    ValueFormat::new(kpi.kind, kpi.unit.as_deref(), reference)
}

/// The change of `row`, if there is something to compare with.
pub(super) fn change(direction: Direction, row: &KpiRow) -> Option<Change> {
    let previous = row.previous.as_ref().and_then(|previous| number(previous.value));
    let difference =
        number(row.measured.value).zip(previous).and_then(|(now, before)| number(Some(now - before)));
    // Against nothing, or a loss, a ratio says nothing: the difference does.
    let ratio = number(row.change_ratio).filter(|_| previous.is_none_or(|before| before > 0.0));
    let amount = difference.or(ratio)?;
    Some(Change { ratio, difference, judgement: judgement(direction, amount, row.change_significant) })
}

/// What moving by `amount` means.
pub(super) fn judgement(direction: Direction, amount: f64, significant: bool) -> Judgement {
    match direction {
        _ if !significant || amount == 0.0 => Judgement::Noise,
        Direction::Increase if amount > 0.0 => Judgement::Better,
        Direction::Decrease if amount < 0.0 => Judgement::Better,
        _ => Judgement::Worse,
    }
}

/// Where everyone's value stands against the target, if both are known.
pub(super) fn attainment(kpi: &KpiSummary, measured: &Measurement) -> Option<Attainment> {
    let (value, target) = number(measured.value).zip(number(kpi.target))?;
    let met = match kpi.direction {
        Direction::Increase => value >= target,
        Direction::Decrease => value <= target,
    };
    let excess_ratio = if target > 0.0 { number(Some(value / target - 1.0)) } else { None };
    Some(Attainment {
        met,
        close: measured.interval.is_some_and(|interval| interval.contains(target)),
        excess_ratio,
    })
}

/// The value, if it is a number.
pub(super) fn number(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

impl Change {
    /// "+8.4 %", or the difference where there is no ratio.
    pub(super) fn amount(&self, format: &ValueFormat) -> String {
        self.ratio.map_or_else(|| format.difference(self.difference), |ratio| signed_percent(Some(ratio)))
    }

    /// Up, down or level, as a shape.
    pub(super) fn arrow(&self) -> &'static str {
        match self.difference.or(self.ratio) {
            Some(amount) if amount > 0.0 => "▲",
            Some(amount) if amount < 0.0 => "▼",
            _ => "■",
        }
    }

    /// Arrow, amount and judgement.
    pub(super) fn html(&self, format: &ValueFormat) -> Markup {
        html! {
            span class={ "change " (self.judgement.class()) } {
                span.arrow aria-hidden="true" { (self.arrow()) } "\u{a0}" (self.amount(format))
            }
            " " (self.judgement.tag())
        }
    }
}

impl Judgement {
    /// The word with its look.
    pub(super) fn tag(self) -> Markup {
        html! { span class={ "tag " (self.class()) } { (self.word()) } }
    }

    fn word(self) -> &'static str {
        match self {
            Judgement::Better => "better",
            Judgement::Worse => "worse",
            Judgement::Noise => "within noise",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Judgement::Better => "better",
            Judgement::Worse => "worse",
            Judgement::Noise => "noise",
        }
    }
}
