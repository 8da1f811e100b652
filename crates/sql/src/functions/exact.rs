//! Sums, averages, variances and deviations of floats that do not depend on the order of their rows: the engine's own functions for
//! all other types, and [`ExactSum`]s for these.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, PrimitiveArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, UInt64Type};
use datafusion::common::Result;
use datafusion::functions_aggregate::{stddev, variance};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
    Signature,
};
use datafusion::scalar::ScalarValue;

use super::aggregates;
use crate::exact_sum::{ExactSum, Moments};

/// The aggregates that take the places of the engine's.
pub(crate) fn all() -> Vec<AggregateUDF> {
    let exact = |inner, statistic| AggregateUDF::new_from_impl(Exact { inner, statistic });
    let spread = |is_sample, is_root| Statistic::Variance { is_sample, is_root };
    // The standard's name is not among the engine's.
    let var_samp = AggregateUDF::clone(&variance::var_samp_udaf()).with_aliases(["variance"]);
    vec![
        exact(Arc::new(aggregates::average()), Statistic::Average),
        exact(Arc::new(aggregates::sum()), Statistic::Sum),
        exact(Arc::new(var_samp), spread(true, false)),
        exact(variance::var_pop_udaf(), spread(false, false)),
        exact(stddev::stddev_udaf(), spread(true, true)),
        exact(stddev::stddev_pop_udaf(), spread(false, true)),
    ]
}

/// What is computed from the moments of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Statistic {
    Sum,
    Average,
    Variance { is_sample: bool, is_root: bool },
}

impl Statistic {
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    fn of(self, moments: &Moments) -> Option<f64> {
        match self {
            Self::Sum => (moments.n > 0).then(|| moments.sum.value()),
            Self::Average => (moments.n > 0).then(|| moments.sum.mean(moments.n as f64)),
            Self::Variance { is_sample, is_root } => {
                let variance = moments.variance(is_sample)?;
                Some(if is_root { variance.sqrt() } else { variance })
            }
        }
    }

    /// Adds a value to moments, or takes it away: squares where they are needed.
    fn count(self, moments: &mut Moments, value: f64, is_taken: bool) {
        match (self, is_taken) {
            (Self::Variance { .. }, false) => moments.add(value),
            (Self::Variance { .. }, true) => moments.subtract(value),
            (_, false) => {
                moments.n += 1;
                moments.sum.add(value);
            }
            (_, true) => {
                moments.n -= 1;
                moments.sum.add(-value);
            }
        }
    }
}

/// An aggregate of the engine, and a statistic of floats in its place.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact {
    inner: Arc<AggregateUDF>,
    statistic: Statistic,
}

fn is_float(fields: &[FieldRef]) -> bool {
    fields.first().is_some_and(|field| field.data_type().is_floating())
}

impl Exact {
    /// Each distinct value once is the engine's business.
    fn is_own(&self, fields: &[FieldRef], is_distinct: bool) -> bool {
        is_float(fields) && !is_distinct
    }

    fn moments(&self, args: &AccumulatorArgs) -> OwnMoments {
        OwnMoments {
            statistic: self.statistic,
            output: args.return_field.data_type().clone(),
            groups: Vec::new(),
        }
    }
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !self.is_own(args.input_fields, args.is_distinct) {
            return self.inner.state_fields(args);
        }
        let count = Field::new(format!("{}[n]", args.name), DataType::UInt64, false);
        let part = |at: usize| Field::new(format!("{}[{at}]", args.name), DataType::Float64, false);
        Ok(std::iter::once(count).chain((0..PARTS).map(part)).map(Arc::new).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if !self.is_own(args.expr_fields, args.is_distinct) {
            return self.inner.accumulator(args);
        }
        Ok(Box::new(self.moments(&args)))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if !self.is_own(args.expr_fields, args.is_distinct) {
            return self.inner.create_sliding_accumulator(args);
        }
        Ok(Box::new(self.moments(&args)))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.is_own(args.expr_fields, args.is_distinct) || self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        if !self.is_own(args.expr_fields, args.is_distinct) {
            return self.inner.create_groups_accumulator(args);
        }
        Ok(Box::new(self.moments(&args)))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

/// The numbers of a state beside the count: three for each sum.
const PARTS: usize = 6;

/// The moments of each group; of one where there are no groups.
#[derive(Debug)]
struct OwnMoments {
    statistic: Statistic,
    output: DataType,
    groups: Vec<Moments>,
}

impl OwnMoments {
    fn first(&mut self) -> &mut Moments {
        if self.groups.is_empty() {
            self.groups.push(Moments::default());
        }
        &mut self.groups[0]
    }

    fn count_all(&mut self, values: &[ArrayRef], is_taken: bool) -> Result<()> {
        let values = floats(values)?;
        let statistic = self.statistic;
        let moments = self.first();
        values.iter().flatten().for_each(|value| statistic.count(moments, value, is_taken));
        Ok(())
    }

    fn results(&self, groups: &[Moments]) -> Result<ArrayRef> {
        let found: Float64Array = groups.iter().map(|moments| self.statistic.of(moments)).collect();
        Ok(cast(&found, &self.output)?)
    }
}

fn floats(values: &[ArrayRef]) -> Result<PrimitiveArray<Float64Type>> {
    let wide = cast(&values[0], &DataType::Float64)?;
    Ok(wide.as_primitive::<Float64Type>().clone())
}

/// The states of moments, a row each.
fn states(groups: &[Moments]) -> Vec<ArrayRef> {
    let counts: UInt64Array = groups.iter().map(|moments| Some(moments.n)).collect();
    let part = |at: usize| -> ArrayRef {
        let sum = |moments: &Moments| if at < 3 { moments.sum.0[at] } else { moments.squares.0[at - 3] };
        Arc::new(Float64Array::from_iter_values(groups.iter().map(sum)))
    };
    std::iter::once(Arc::new(counts) as ArrayRef).chain((0..PARTS).map(part)).collect()
}

/// Moments as states have them.
fn from_states(states: &[ArrayRef]) -> impl Iterator<Item = Moments> + '_ {
    let counts = states[0].as_primitive::<UInt64Type>();
    let parts: Vec<_> = states[1..].iter().map(|part| part.as_primitive::<Float64Type>()).collect();
    (0..counts.len()).map(move |row| {
        let sum = |from: usize| ExactSum([0, 1, 2].map(|at| parts[from + at].value(row)));
        Moments { n: counts.value(row), sum: sum(0), squares: sum(3) }
    })
}

impl Accumulator for OwnMoments {
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
        let moments = *self.first();
        ScalarValue::try_from_array(&self.results(&[moments])?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.groups.capacity() * size_of::<Moments>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let moments = *self.first();
        states(&[moments]).iter().map(|state| ScalarValue::try_from_array(state, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let moments = self.first();
        from_states(states).for_each(|other| moments.merge(other));
        Ok(())
    }
}

impl GroupsAccumulator for OwnMoments {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.groups.resize(total, Moments::default());
        let values = floats(values)?;
        let counts = |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        for (row, (value, &group)) in values.iter().zip(groups).enumerate() {
            if let Some(value) = value.filter(|_| counts(row)) {
                self.statistic.count(&mut self.groups[group], value, false);
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
        self.groups.resize(total, Moments::default());
        from_states(values).zip(groups).for_each(|(other, &group)| self.groups[group].merge(other));
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut each =
            OwnMoments { statistic: self.statistic, output: self.output.clone(), groups: Vec::new() };
        let rows: Vec<usize> = (0..values[0].len()).collect();
        GroupsAccumulator::update_batch(&mut each, values, &rows, filter, rows.len())?;
        GroupsAccumulator::state(&mut each, EmitTo::All)
    }

    fn size(&self) -> usize {
        Accumulator::size(self)
    }
}
