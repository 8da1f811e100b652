//! `tables/<table>`: the rows of a contract, loaded from its sources.

use crate::contract::Contract;
use crate::table::{Partitioning, Scope, Table};

/// The tables of contracts.
pub const TABLES: Table = Table {
    partitioning: Partitioning::EventDay,
    ..Table::new("tables", Scope::Contract(Contract::arrow_schema))
};
