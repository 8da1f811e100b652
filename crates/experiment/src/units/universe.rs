//! The universe of each entity: the keys of its table.

use std::collections::HashMap;
use std::sync::Arc;

use tranche_segment::Scope;
use tranche_segment::evaluate::{Sharing, evaluate};
use tranche_sql::keys::KeyIndex;

use crate::context::MeasureContext;
use crate::definition::Experiment;
use crate::error::ExperimentError;

/// The keys of the entity tables, by entity.
pub(super) async fn universes(
    experiments: &[&Experiment],
    context: &MeasureContext<'_>,
) -> Result<HashMap<String, Arc<KeyIndex>>, ExperimentError> {
    let mut universes = HashMap::new();
    for experiment in experiments {
        if universes.contains_key(&experiment.entity) {
            continue;
        }
        let scope = Scope::universe(&experiment.entity);
        let everyone =
            evaluate(context.definitions, &scope, context.tables, context.session, Sharing::Shared).await;
        let everyone = everyone.map_err(|source| ExperimentError::Segment {
            experiment: experiment.name.clone(),
            source: Box::new(source),
        })?;
        universes.insert(experiment.entity.clone(), everyone.index);
    }
    Ok(universes)
}
