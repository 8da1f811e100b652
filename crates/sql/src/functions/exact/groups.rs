//! Statistics of the rows of groups, from sums that can be merged.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, UInt64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

/// What is kept of the rows of a group.
pub(super) trait Summary: Debug + Copy + Default + Send + Sync + 'static {
    /// The numbers of a row.
    type Row: Copy;

    /// The numbers of its state, beside the count of rows.
    const PARTS: usize;

    /// The rows of these columns; none where one of the numbers is null.
    fn rows(columns: &[Float64Array]) -> impl Iterator<Item = Option<Self::Row>>;

    /// How many rows there are.
    fn count(&self) -> u64;

    /// One of the numbers of its state.
    fn part(&self, at: usize) -> f64;

    /// From a state.
    fn from_parts(count: u64, part: impl Fn(usize) -> f64) -> Self;

    /// Adds the rows of another.
    fn merge(&mut self, other: Self);
}

/// What is computed from a summary.
pub(super) trait Statistic: Debug + Copy + Eq + Hash + Send + Sync + 'static {
    /// What it is computed from.
    type Summary: Summary;

    /// Adds a row to a summary, or takes it away.
    fn count(self, summary: &mut Self::Summary, row: <Self::Summary as Summary>::Row, is_taken: bool);

    /// Its value; none of fewer rows than it takes.
    fn of(self, summary: &Self::Summary) -> Option<f64>;
}

/// The summaries of all groups; of one where there are no groups.
#[derive(Debug)]
pub(super) struct Groups<S: Statistic> {
    statistic: S,
    output: DataType,
    groups: Vec<S::Summary>,
}

impl<S: Statistic> Groups<S> {
    /// Without any row.
    pub(super) fn new(statistic: S, output: DataType) -> Self {
        Self { statistic, output, groups: Vec::new() }
    }

    fn first(&mut self) -> &mut S::Summary {
        if self.groups.is_empty() {
            self.groups.push(S::Summary::default());
        }
        &mut self.groups[0]
    }

    fn count_all(&mut self, values: &[ArrayRef], is_taken: bool) -> Result<()> {
        let columns = floats(values)?;
        let statistic = self.statistic;
        let first = self.first();
        S::Summary::rows(&columns).flatten().for_each(|row| statistic.count(first, row, is_taken));
        Ok(())
    }

    fn results(&self, groups: &[S::Summary]) -> Result<ArrayRef> {
        let found: Float64Array = groups.iter().map(|summary| self.statistic.of(summary)).collect();
        Ok(cast(&found, &self.output)?)
    }
}

fn floats(values: &[ArrayRef]) -> Result<Vec<Float64Array>> {
    let wide = |array: &ArrayRef| Ok(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone());
    values.iter().map(wide).collect()
}

/// The states of summaries, a row each.
fn states<S: Summary>(groups: &[S]) -> Vec<ArrayRef> {
    let counts: UInt64Array = groups.iter().map(|summary| Some(summary.count())).collect();
    let part = |at: usize| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(groups.iter().map(|summary| summary.part(at))))
    };
    std::iter::once(Arc::new(counts) as ArrayRef).chain((0..S::PARTS).map(part)).collect()
}

/// Summaries as states have them.
fn from_states<S: Summary>(states: &[ArrayRef]) -> impl Iterator<Item = S> + '_ {
    let counts = states[0].as_primitive::<UInt64Type>();
    let parts: Vec<_> = states[1..].iter().map(|part| part.as_primitive::<Float64Type>()).collect();
    (0..counts.len()).map(move |row| S::from_parts(counts.value(row), |at| parts[at].value(row)))
}

impl<S: Statistic> Accumulator for Groups<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count_all(values, false)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count_all(values, true)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let summary = *self.first();
        ScalarValue::try_from_array(&self.results(&[summary])?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.groups.capacity() * size_of::<S::Summary>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let summary = *self.first();
        states(&[summary]).iter().map(|state| ScalarValue::try_from_array(state, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let first = self.first();
        from_states(states).for_each(|other| first.merge(other));
        Ok(())
    }
}

impl<S: Statistic> GroupsAccumulator for Groups<S> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.groups.resize(total, S::Summary::default());
        let columns = floats(values)?;
        let counts = |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        for (at, (row, &group)) in S::Summary::rows(&columns).zip(groups).enumerate() {
            if let Some(row) = row.filter(|_| counts(at)) {
                self.statistic.count(&mut self.groups[group], row, false);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = emit_to.take_needed(&mut self.groups);
        self.results(&groups)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(states(&emit_to.take_needed(&mut self.groups)))
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.groups.resize(total, S::Summary::default());
        from_states(values).zip(groups).for_each(|(other, &group)| self.groups[group].merge(other));
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut each = Self::new(self.statistic, self.output.clone());
        let rows: Vec<usize> = (0..values[0].len()).collect();
        GroupsAccumulator::update_batch(&mut each, values, &rows, filter, rows.len())?;
        GroupsAccumulator::state(&mut each, EmitTo::All)
    }

    fn size(&self) -> usize {
        Accumulator::size(self)
    }
}
