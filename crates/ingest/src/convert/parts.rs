//! The parts of nested values: each is converted as a value of its own, and fails for the row that it is in.

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::numbers::ValueOrigin;
use super::reject::Failures;
use crate::reason::Reason;
use crate::values::Values;

/// Converts parts of nested values and gathers why that fails.
pub(super) struct Parts<'a> {
    /// The conversion of any value, nested ones included.
    pub(super) of_values: fn(&ArrayRef, &DataType, ValueOrigin) -> Result<Values, ArrowError>,
    /// Why rows are rejected.
    pub(super) failures: &'a mut Failures,
}

impl Parts<'_> {
    /// The values of a part in another type. `place` gives the row of each and what leads to the value from there.
    pub(super) fn convert(
        &mut self,
        array: &ArrayRef,
        to: &DataType,
        place: &dyn Fn(usize) -> Option<(usize, String)>,
    ) -> Result<ArrayRef, ArrowError> {
        // What is floating already may be NaN: nothing is lost, and the expression decides.
        if array.data_type() == to || (array.data_type().is_floating() && to.is_floating()) {
            return cast(array, to);
        }
        let converted = (self.of_values)(array, to, ValueOrigin::Raw)?;
        let mut failed: Vec<(usize, Reason)> = converted.failures.into_iter().collect();
        failed.sort_unstable();
        for (at, reason) in failed {
            if let Some((row, path)) = place(at) {
                self.failures.entry(row).or_insert_with(|| reason.within(&path));
            }
        }
        Ok(converted.array)
    }
}

/// The row of an item, and what leads to the item from there.
pub(super) fn place(offsets: &[i32], at: usize) -> Option<(usize, String)> {
    let row = offsets.partition_point(|&start| usize::try_from(start).is_ok_and(|start| start <= at));
    let (row, end) = (row.checked_sub(1)?, *offsets.get(row)?);
    let start = usize::try_from(offsets[row]).ok()?;
    usize::try_from(end).is_ok_and(|end| at < end).then(|| (row, format!("[{}]", at - start + 1)))
}

/// What leads to a field.
pub(super) fn named(field: &str) -> String {
    format!("['{field}']")
}
