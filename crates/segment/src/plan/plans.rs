//! The plans of definitions, which are the same at every instant.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use datafusion::logical_expr::LogicalPlan;
use tranche_project::SourceFile;
use tranche_sql::Session;

use crate::definition::in_segment::InSegment;
use crate::error::SegmentError;

/// The plans of definitions as they are at every instant, by the key of the entity and text.
#[derive(Debug, Default)]
pub(crate) struct Plans(Mutex<HashMap<(Option<String>, String), LogicalPlan>>);

impl Plans {
    /// The plan of a file's SQL at the instant of the session.
    pub(super) async fn normalized(
        &self,
        file: &SourceFile,
        place: InSegment<'_>,
        planning: &Session,
    ) -> Result<LogicalPlan, SegmentError> {
        let wrong = |problem| SegmentError::definition(file, problem);
        let name = (place.key().map(str::to_owned), file.text().to_owned());
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        let plan = match known {
            Some(plan) => plan,
            None => {
                let plan = planning.analysed(file.text(), &place).await.map_err(wrong)?;
                self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, plan.clone());
                plan
            }
        };
        planning.at_as_of(plan, file.text()).map_err(wrong)
    }
}
