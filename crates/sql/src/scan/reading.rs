//! What a scan needs of one file.

use arrow::datatypes::DataType;

use crate::keys::KeyShare;

/// What is needed of a file: all columns of the scan, of all rows, where nothing else is said.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// These columns alone; the others are null.
    pub columns: Option<Vec<String>>,
    /// The rows of some keys alone.
    pub keys: Option<KeyFilter>,
}

/// The rows whose key is in a share.
#[derive(Debug, Clone)]
pub struct KeyFilter {
    /// The column with the key.
    pub column: String,
    /// The type of the keys that the share is of.
    pub data_type: DataType,
    /// The keys.
    pub share: KeyShare,
}
