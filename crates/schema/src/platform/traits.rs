//! `traits/<entity>`: the wide table of the last refresh of everything: the entity's own columns and all its
//! traits.

use crate::contract::Contract;
use crate::table::{Compaction, Scope, Table};

/// The wide tables. A refresh replaces one whole; before the first it has the entity's own columns and no
/// rows.
pub const TRAITS: Table =
    Table { compaction: Compaction::Writer, ..Table::new("traits", Scope::Entity(Contract::arrow_schema)) };
