//! `avg` of decimals as floating point, and `sum` of whole numbers that fails where it outgrows its type: the engine's own functions
//! over wider numbers. (The engine's average of decimals ends four digits behind theirs, and its sums begin anew at the other end.)

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::functions_aggregate::{average, sum};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
    Signature,
};
use datafusion::scalar::ScalarValue;

use crate::outgrown::reason;

/// The average, in the place of the engine's.
pub(super) fn average() -> AggregateUDF {
    AggregateUDF::new_from_impl(Widened { inner: average::avg_udaf(), widening: Widening::Average })
}

/// The sum, in the place of the engine's.
pub(super) fn sum() -> AggregateUDF {
    AggregateUDF::new_from_impl(Widened { inner: sum::sum_udaf(), widening: Widening::Sum })
}

/// What is widened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Widening {
    Average,
    Sum,
}

/// The digits behind those of its values that an average of decimals has before it becomes floating point.
pub const AVERAGE_DIGITS: i8 = 14;

/// The types of an aggregation that is widened.
struct Wide {
    /// What values are cast to.
    input: DataType,
    /// What the engine's function gives.
    result: DataType,
    /// What that is cast to.
    output: DataType,
}

impl Widening {
    /// None where the engine's function is right as it is.
    fn of(self, input: &DataType) -> Option<Wide> {
        match (self, input) {
            (Self::Average, &DataType::Decimal32(_, scale) | &DataType::Decimal64(_, scale)) => {
                Some(Self::average(DataType::Decimal128(38, scale), scale))
            }
            (Self::Average, &DataType::Decimal128(_, scale)) => Some(Self::average(input.clone(), scale)),
            (Self::Sum, DataType::Int64 | DataType::UInt64) => {
                // Of so many digits that no number of rows outgrows them.
                let wide = DataType::Decimal128(38, 0);
                Some(Wide { input: wide.clone(), result: wide, output: input.clone() })
            }
            _ => None,
        }
    }

    fn average(input: DataType, scale: i8) -> Wide {
        let digits = scale.saturating_add(AVERAGE_DIGITS).min(38);
        Wide { input, result: DataType::Decimal128(38, digits), output: DataType::Float64 }
    }
}

/// An aggregate of the engine over wider numbers.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Widened {
    inner: Arc<AggregateUDF>,
    widening: Widening,
}

impl Widened {
    fn wide(&self, fields: &[FieldRef]) -> Option<Wide> {
        fields.first().and_then(|field| self.widening.of(field.data_type()))
    }
}

/// The fields of values and result as the engine's function has them.
fn fields_of(wide: &Wide, result: &FieldRef, values: &[FieldRef]) -> (FieldRef, Vec<FieldRef>) {
    let with_type = |field: &FieldRef, data_type: &DataType| -> FieldRef {
        Arc::new(Field::clone(field).with_data_type(data_type.clone()))
    };
    let values = values.iter().map(|field| with_type(field, &wide.input)).collect();
    (with_type(result, &wide.result), values)
}

/// The arguments of the engine's function over wider numbers.
fn widened_args<'a>(
    args: &AccumulatorArgs<'a>,
    result: FieldRef,
    values: &'a [FieldRef],
) -> AccumulatorArgs<'a> {
    AccumulatorArgs {
        return_field: result,
        schema: args.schema,
        ignore_nulls: args.ignore_nulls,
        order_bys: args.order_bys,
        is_reversed: args.is_reversed,
        name: args.name,
        is_distinct: args.is_distinct,
        exprs: args.exprs,
        expr_fields: values,
    }
}

impl AggregateUDFImpl for Widened {
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
        match arguments.first().and_then(|input| self.widening.of(input)) {
            Some(wide) => Ok(wide.output),
            None => self.inner.return_type(arguments),
        }
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let Some(wide) = self.wide(args.input_fields) else { return self.inner.state_fields(args) };
        let (result, values) = fields_of(&wide, &args.return_field, args.input_fields);
        self.inner.state_fields(StateFieldsArgs { return_field: result, input_fields: &values, ..args })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let Some(wide) = self.wide(args.expr_fields) else { return self.inner.accumulator(args) };
        let (result, values) = fields_of(&wide, &args.return_field, args.expr_fields);
        let inner = self.inner.accumulator(widened_args(&args, result, &values))?;
        Ok(Box::new(WideAccumulator { inner, wide }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let Some(wide) = self.wide(args.expr_fields) else {
            return self.inner.create_sliding_accumulator(args);
        };
        let (result, values) = fields_of(&wide, &args.return_field, args.expr_fields);
        let inner = self.inner.create_sliding_accumulator(widened_args(&args, result, &values))?;
        Ok(Box::new(WideAccumulator { inner, wide }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        let Some(wide) = self.wide(args.expr_fields) else {
            return self.inner.groups_accumulator_supported(args);
        };
        let (result, values) = fields_of(&wide, &args.return_field, args.expr_fields);
        self.inner.groups_accumulator_supported(widened_args(&args, result, &values))
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let Some(wide) = self.wide(args.expr_fields) else {
            return self.inner.create_groups_accumulator(args);
        };
        let (result, values) = fields_of(&wide, &args.return_field, args.expr_fields);
        let inner = self.inner.create_groups_accumulator(widened_args(&args, result, &values))?;
        Ok(Box::new(WideGroups { inner, wide }))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

/// Values with the wider type; states, which have it already, are not cast.
fn widened(values: &[ArrayRef], wide: &Wide) -> Result<Vec<ArrayRef>> {
    values.iter().map(|values| Ok(arrow::compute::cast(values, &wide.input)?)).collect()
}

fn narrowed(values: &ArrayRef, wide: &Wide) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(values, &wide.output, &options).or_else(|_| exec_err!("{}", reason(&wide.output)))
}

struct WideAccumulator {
    inner: Box<dyn Accumulator>,
    wide: Wide,
}

impl Debug for WideAccumulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} as {}", self.inner, self.wide.output)
    }
}

impl Accumulator for WideAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(&widened(values, &self.wide)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(&widened(values, &self.wide)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let result = narrowed(&self.inner.evaluate()?.to_array()?, &self.wide)?;
        ScalarValue::try_from_array(&result, 0)
    }

    fn size(&self) -> usize {
        self.inner.size() + size_of::<Self>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }
}

struct WideGroups {
    inner: Box<dyn GroupsAccumulator>,
    wide: Wide,
}

impl GroupsAccumulator for WideGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.inner.update_batch(&widened(values, &self.wide)?, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        narrowed(&self.inner.evaluate(emit_to)?, &self.wide)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.inner.merge_batch(values, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(&widened(values, &self.wide)?, filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}
