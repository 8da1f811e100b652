//! Measures from a scan: which groups and parts of time to read, and how to add up what was read.

use std::collections::HashMap;

use datafusion::logical_expr::Expr;
use tranche_sql::fused::{Aggregate, Cells, Group, Part, Variance};

use crate::plan::{Measure, Window};

/// The values of a measure by the number of the key; the last one is of rows without a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    /// Rows.
    Count(Vec<u32>),
    /// Sums of whole numbers.
    Sum(Vec<i64>),
    /// Sums of decimals, in digits.
    Decimal(Vec<i128>),
    /// Sums of floats.
    Float(Vec<f64>),
    /// The largest, as an integer of the same order; [`i64::MIN`] where there is none.
    Max(Vec<i64>),
    /// The bitwise complement of the smallest, as an integer of the same order; [`i64::MIN`] where there is none.
    Min(Vec<i64>),
    /// Moments.
    Variance(Vec<Variance>),
    /// The first or last value, with its rank.
    Edge(Vec<Option<(i64, Option<i64>)>>),
}

/// A stretch of time in one class of files whose events a measure adds, or takes away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contribution {
    pub(crate) class: usize,
    pub(crate) window: Window,
    pub(crate) sign: i8,
}

/// How a measure is made of the parts of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) group: usize,
    /// Parts, and whether they are added or taken away.
    pub(crate) parts: Vec<(usize, i8)>,
}

/// What a scan has to compute for measures, and how each is made of it.
pub(crate) fn groups_of(measures: &[(&Measure, Vec<Contribution>)]) -> (Vec<Group>, Vec<Recipe>) {
    let (mut groups, mut recipes): (Vec<Group>, Vec<Recipe>) = (Vec::new(), Vec::new());
    type Identity<'a> = (Aggregate, &'a Option<Expr>, &'a Option<Expr>, &'a [Expr], usize);
    let mut members: HashMap<Identity<'_>, Vec<usize>> = HashMap::new();
    let mut order: Vec<Identity<'_>> = Vec::new();
    for (number, (measure, _)) in measures.iter().enumerate() {
        // Distinct values of two stretches of time do not add up to those of both.
        let mut share = if measure.aggregate == Aggregate::CountDistinct { number + 1 } else { 0 };
        loop {
            let identity = (measure.aggregate, &measure.argument, &measure.order, measure.predicate.as_slice(), share);
            let others = members.entry(identity).or_insert_with(|| {
                order.push(identity);
                Vec::new()
            });
            if others.len() < WINDOWS_OF_A_GROUP {
                others.push(number);
                break;
            }
            share += measures.len() + 1;
        }
    }
    recipes.resize(measures.len(), Recipe { group: 0, parts: Vec::new() });
    for identity in order {
        let numbers = &members[&identity];
        let contributions: Vec<Contribution> = numbers.iter().flat_map(|&number| measures[number].1.iter().copied()).collect();
        let parts = parts_of(&contributions);
        for &number in numbers {
            let signs = parts.iter().enumerate().map(|(place, part)| (place, sign(&measures[number].1, part)));
            recipes[number] = Recipe { group: groups.len(), parts: signs.filter(|(_, sign)| *sign != 0).collect() };
        }
        let measure = measures[numbers[0]].0;
        groups.push(Group {
            aggregate: measure.aggregate,
            argument: measure.argument.clone(),
            order: measure.order.clone(),
            predicate: measure.predicate.clone(),
            parts,
        });
    }
    (groups, recipes)
}

/// So many windows share a group; more would make its cells too many.
const WINDOWS_OF_A_GROUP: usize = 40;

/// The edges of all windows cut time into rings; those that count for nobody are left out.
fn parts_of(contributions: &[Contribution]) -> Vec<Part> {
    let mut classes: Vec<usize> = contributions.iter().map(|c| c.class).collect();
    classes.sort_unstable();
    classes.dedup();
    let mut parts = Vec::new();
    for class in classes {
        let own = || contributions.iter().filter(|c| c.class == class && !c.window.is_empty());
        let mut edges: Vec<i64> = own().flat_map(|c| [c.window.from, c.window.to]).collect();
        edges.sort_unstable();
        edges.dedup();
        let rings = edges.windows(2).map(|pair| Part { class, from: pair[0], to: pair[1] });
        parts.extend(rings.filter(|part| own().any(|c| covers(c, part))));
    }
    parts
}

fn covers(contribution: &Contribution, part: &Part) -> bool {
    contribution.class == part.class && contribution.window.from <= part.from && part.to <= contribution.window.to
}

fn sign(contributions: &[Contribution], part: &Part) -> i8 {
    contributions.iter().filter(|contribution| covers(contribution, part)).map(|contribution| contribution.sign).sum()
}

/// The values of a measure: what was there before, and the parts of its group added or taken away.
pub(crate) fn values(cells: &Cells, group: &Group, recipe: &Recipe, rows: usize, before: Option<Values>) -> Values {
    let parts = group.parts.len();
    let each = |row: usize| recipe.parts.iter().map(move |&(part, sign)| (row * parts + part, sign));
    match cells {
        Cells::Count(cells) => {
            let add = |row: usize, start: u32| {
                each(row).fold(start, |sum, (cell, sign)| match sign {
                    1 => sum.wrapping_add(cells[cell]),
                    _ => sum.wrapping_sub(cells[cell]),
                })
            };
            Values::Count(fold(rows, if let Some(Values::Count(before)) = before { before } else { Vec::new() }, 0, add))
        }
        Cells::Sum(cells) => {
            let add = |row: usize, start: i64| {
                each(row).fold(start, |sum, (cell, sign)| sum.wrapping_add(cells[cell].wrapping_mul(i64::from(sign))))
            };
            Values::Sum(fold(rows, if let Some(Values::Sum(before)) = before { before } else { Vec::new() }, 0, add))
        }
        Cells::SumDecimal(cells) => {
            let add = |row: usize, start: i128| {
                each(row).fold(start, |sum, (cell, sign)| sum.wrapping_add(cells[cell].wrapping_mul(i128::from(sign))))
            };
            Values::Decimal(fold(rows, if let Some(Values::Decimal(before)) = before { before } else { Vec::new() }, 0, add))
        }
        Cells::SumFloat(cells) => {
            let add = |row: usize, start: f64| each(row).fold(start, |sum, (cell, _)| sum + cells[cell]);
            Values::Float(fold(rows, Vec::new(), 0.0, add))
        }
        Cells::Max(cells) => {
            let add = |row: usize, start: i64| each(row).fold(start, |best, (cell, _)| best.max(cells[cell]));
            Values::Max(fold(rows, if let Some(Values::Max(before)) = before { before } else { Vec::new() }, i64::MIN, add))
        }
        Cells::Min(cells) => {
            let add = |row: usize, start: i64| each(row).fold(start, |best, (cell, _)| best.max(cells[cell]));
            Values::Min(fold(rows, if let Some(Values::Min(before)) = before { before } else { Vec::new() }, i64::MIN, add))
        }
        Cells::Variance(cells) => {
            let add = |row: usize, start: Variance| {
                each(row).fold(start, |mut moments, (cell, _)| {
                    moments.merge(cells[cell]);
                    moments
                })
            };
            Values::Variance(fold(rows, Vec::new(), Variance::default(), add))
        }
        Cells::Edge(cells) => {
            let add = |row: usize, start: Option<(i64, Option<i64>)>| {
                each(row).fold(start, |best, (cell, _)| match (best, cells[cell]) {
                    (Some((rank, _)), Some((other, _))) if other <= rank => best,
                    (best, None) => best,
                    (_, better) => better,
                })
            };
            Values::Edge(fold(rows, Vec::new(), None, add))
        }
        Cells::Distinct(pairs) => {
            let mut counts = vec![0_u32; rows];
            let mut seen: Vec<(u64, u128)> = pairs.iter().map(|&(cell, code)| (cell / parts.max(1) as u64, code)).collect();
            seen.sort_unstable();
            seen.dedup();
            for (row, _) in seen {
                if let Some(count) = usize::try_from(row).ok().and_then(|row| counts.get_mut(row)) {
                    *count += 1;
                }
            }
            Values::Count(counts)
        }
    }
}

/// Each row's value after what was there before; `before` has no more rows than there are now, and its last is of rows without key.
fn fold<T: Copy>(rows: usize, before: Vec<T>, empty: T, add: impl Fn(usize, T) -> T) -> Vec<T> {
    let mut values = before;
    if let Some(keyless) = values.pop() {
        values.resize(rows - 1, empty);
        values.push(keyless);
    } else {
        values.resize(rows, empty);
    }
    for (row, value) in values.iter_mut().enumerate() {
        *value = add(row, *value);
    }
    values
}

impl Values {
    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Count(values) => values.len(),
            Self::Sum(values) | Self::Max(values) | Self::Min(values) => values.len(),
            Self::Decimal(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Variance(values) => values.len(),
            Self::Edge(values) => values.len(),
        }
    }

    /// Makes room for keys that were seen later; the last row stays that of rows without a key.
    pub(crate) fn grow(&mut self, rows: usize) {
        fn grow<T>(values: &mut Vec<T>, rows: usize, empty: T)
        where
            T: Copy,
        {
            if let Some(keyless) = values.pop() {
                values.resize(rows - 1, empty);
                values.push(keyless);
            }
        }
        match self {
            Self::Count(values) => grow(values, rows, 0),
            Self::Sum(values) => grow(values, rows, 0),
            Self::Decimal(values) => grow(values, rows, 0),
            Self::Float(values) => grow(values, rows, 0.0),
            Self::Max(values) | Self::Min(values) => grow(values, rows, i64::MIN),
            Self::Variance(values) => grow(values, rows, Variance::default()),
            Self::Edge(values) => grow(values, rows, None),
        }
    }
}

impl Values {
    /// The same values in other rows: that of row `r` in row `numbers[r]`, the last in the last.
    pub(crate) fn moved(self, numbers: &[u32], rows: usize) -> Self {
        fn moved<T: Copy>(values: &[T], numbers: &[u32], rows: usize, empty: T) -> Vec<T> {
            let mut there = vec![empty; rows];
            for (&value, &number) in values.iter().zip(numbers) {
                there[number as usize] = value;
            }
            if let (Some(last), Some(keyless)) = (there.last_mut(), values.last()) {
                *last = *keyless;
            }
            there
        }
        match self {
            Self::Count(values) => Self::Count(moved(&values, numbers, rows, 0)),
            Self::Sum(values) => Self::Sum(moved(&values, numbers, rows, 0)),
            Self::Decimal(values) => Self::Decimal(moved(&values, numbers, rows, 0)),
            Self::Float(values) => Self::Float(moved(&values, numbers, rows, 0.0)),
            Self::Max(values) => Self::Max(moved(&values, numbers, rows, i64::MIN)),
            Self::Min(values) => Self::Min(moved(&values, numbers, rows, i64::MIN)),
            Self::Variance(values) => Self::Variance(moved(&values, numbers, rows, Variance::default())),
            Self::Edge(values) => Self::Edge(moved(&values, numbers, rows, None)),
        }
    }

    /// The value of a row as text, for people.
    pub(crate) fn shown(&self, row: usize) -> String {
        match self {
            Self::Count(values) => values[row].to_string(),
            Self::Sum(values) => values[row].to_string(),
            Self::Decimal(values) => values[row].to_string(),
            Self::Float(values) => values[row].to_string(),
            Self::Max(values) | Self::Min(values) if values[row] == i64::MIN => "nothing".to_owned(),
            Self::Max(values) => values[row].to_string(),
            Self::Min(values) => (!values[row]).to_string(),
            Self::Variance(values) => format!("{:?}", values[row]),
            Self::Edge(values) => format!("{:?}", values[row]),
        }
    }
}

impl Values {
    /// Whether a value is the same as another measure's; floats may differ in how their sums were rounded.
    pub(crate) fn same(&self, row: usize, other: &Self, other_row: usize) -> bool {
        match (self, other) {
            (Self::Count(a), Self::Count(b)) => a[row] == b[other_row],
            (Self::Sum(a), Self::Sum(b)) => a[row] == b[other_row],
            (Self::Decimal(a), Self::Decimal(b)) => a[row] == b[other_row],
            (Self::Max(a), Self::Max(b)) | (Self::Min(a), Self::Min(b)) => a[row] == b[other_row],
            // These are never carried over from an earlier refresh.
            (Self::Float(_), Self::Float(_)) | (Self::Variance(_), Self::Variance(_)) | (Self::Edge(_), Self::Edge(_)) => true,
            _ => false,
        }
    }
}
