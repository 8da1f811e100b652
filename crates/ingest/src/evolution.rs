//! Whether a table can take rows of a contract that was edited since the table was made.

use arrow::datatypes::DataType;
use tranche_schema::{Contract, Evolution};
use tranche_store::Snapshot;

use crate::IngestError;

/// A contract may gain nullable columns if it says so, and nothing else.
///
/// # Errors
/// [`IngestError::Evolution`] when the stored table is of a contract that is not an earlier edition of this
/// one.
pub fn check_evolution(contract: &Contract, table: &Snapshot) -> Result<(), IngestError> {
    let changed = |reason: String| Err(IngestError::Evolution { table: contract.table.clone(), reason });
    let stored = table.schema()?;
    for column in &contract.columns {
        match stored.field_with_name(&column.name) {
            Ok(field) if !same_type(field.data_type(), &column.data_type) => {
                return changed(format!(
                    "column `{}` is stored as {}, not {}",
                    column.name,
                    field.data_type(),
                    column.data_type
                ));
            }
            Ok(_) => {}
            Err(_) if contract.evolution == Evolution::Frozen => {
                return changed(format!("column `{}` is new, and the contract is frozen", column.name));
            }
            Err(_) if !column.nullable => {
                return changed(format!("column `{}` is new and must be nullable", column.name));
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// Whether two types hold the same values: a list's element may be named differently.
fn same_type(stored: &DataType, wanted: &DataType) -> bool {
    match (stored, wanted) {
        (DataType::List(a), DataType::List(b)) => a.data_type() == b.data_type(),
        (DataType::Utf8View | DataType::LargeUtf8, DataType::Utf8) => true,
        (a, b) => a == b,
    }
}
