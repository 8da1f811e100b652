//! An aggregate function of the engine with a statistic of floats in its place.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
};

use super::groups::{Groups, Statistic, Summary};

/// An aggregate of the engine, and a statistic of floats in its place.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact<S> {
    inner: Arc<AggregateUDF>,
    statistic: S,
}

/// A statistic in the place of an aggregate.
pub(super) fn exact<S: Statistic>(inner: Arc<AggregateUDF>, statistic: S) -> AggregateUDF {
    AggregateUDF::new_from_impl(Exact { inner, statistic })
}

impl<S: Statistic> Exact<S> {
    /// Each distinct value once is the engine's business.
    fn is_own(&self, fields: &[FieldRef], is_distinct: bool) -> bool {
        fields.iter().all(|field| field.data_type().is_floating()) && !is_distinct
    }

    fn groups(&self, args: &AccumulatorArgs) -> Groups<S> {
        Groups::new(self.statistic, args.return_field.data_type().clone())
    }
}

impl<S: Statistic> AggregateUDFImpl for Exact<S> {
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
        Ok(std::iter::once(count).chain((0..S::Summary::PARTS).map(part)).map(Arc::new).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if !self.is_own(args.expr_fields, args.is_distinct) {
            return self.inner.accumulator(args);
        }
        Ok(Box::new(self.groups(&args)))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if !self.is_own(args.expr_fields, args.is_distinct) {
            return self.inner.create_sliding_accumulator(args);
        }
        Ok(Box::new(self.groups(&args)))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.is_own(args.expr_fields, args.is_distinct) || self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        if !self.is_own(args.expr_fields, args.is_distinct) {
            return self.inner.create_groups_accumulator(args);
        }
        Ok(Box::new(self.groups(&args)))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}
