//! Where the column is that names the cluster of a unit.

use tranche_schema::Contract;

/// Where the column with the cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClusterColumn {
    /// In the table of exposures.
    Exposure,
    /// In the entity's table.
    Entity,
}

impl ClusterColumn {
    /// Where an experiment's cluster is found: the exposures go before the entity. None where neither has the
    /// column.
    pub(crate) fn of(column: &str, exposures: &Contract, entity: Option<&Contract>) -> Option<Self> {
        if exposures.column(column).is_some() {
            return Some(Self::Exposure);
        }
        entity?.column(column).map(|_| Self::Entity)
    }
}
