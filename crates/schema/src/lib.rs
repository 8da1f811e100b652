//! Table contracts and the layout of a lake.
//!
//! [`ContractSpec`] is a contract as its author wrote it; [`ContractSpec::validate`] turns it into a
//! [`Contract`]: a named Arrow schema with key, kind and checks. [`StoredContract`] is the part that a table
//! remembers of it. [`platform`] holds the tables that Tranche
//! itself keeps in a lake, each column name once, and [`layout`] where these and all else lie, each folder
//! once.
//!
//! Pure values: this crate does no I/O, knows no SQL engine, and never learns which file a contract came
//! from.
//!
//! ```
//! let yaml = "{version: 1, table: people, kind: entity, entity: person, key: [id], columns: [{name: id, type: int64}]}";
//! let spec: tranche_schema::ContractSpec = serde_yaml::from_str(yaml).unwrap();
//! let contract = spec.validate(&mut |location, message| panic!("{}: {message}", location.line())).unwrap();
//! assert_eq!(contract.key, ["id"]);
//! ```

mod column_type;
mod columns;
mod contract;
pub mod layout;
pub mod platform;
mod raw_type;
mod spec;
mod stored_contract;
mod table;

pub use column_type::{ColumnTypeError, parse_column_type};
pub use contract::{Column, Contract, Evolution, History, TableKind, Universe};
pub use raw_type::{RawTypeError, parse_raw_type, raw_type_name};
pub use serde_yaml::Location;
pub use spec::{ColumnSpec, ContractSpec, EntitySpec, KindSpec};
pub use stored_contract::{ChangedContract, ContractChange, ContractPart, StoredContract};
