//! `trait list`: computed attributes of entities.

use serde_json::json;
use tranche_project::Problems;

use crate::failure::Failure;
use crate::output::Rows;
use crate::workbench::Workbench;

pub(super) async fn list(bench: &Workbench) -> Result<(), Failure> {
    let mut rows = Rows::new(&["trait", "entity", "type", "default", "traits", "file"]);
    for pipeline in bench.workspace.pipelines.values() {
        let definitions = &pipeline.definitions;
        let session = bench.workspace.empty_session(&bench.engine)?;
        let mut problems = Problems::default();
        for definition in definitions.traits.values() {
            let key = definitions.key(&definition.entity);
            let plan = match session.plan(definition.file.text(), key).await {
                Ok(plan) => plan,
                Err(problem) => {
                    problems.push(definition.file.problem(problem.position, problem.message));
                    continue;
                }
            };
            for field in plan.schema().fields().iter().skip(1) {
                let default = definition.defaults.get(field.name()).map(|default| default.value.to_string());
                let data_type = field.data_type().to_string();
                rows.push(vec![
                    json!(field.name()),
                    json!(definition.entity),
                    json!(data_type),
                    json!(default),
                    json!(definition.name),
                    json!(definition.file.path()),
                ]);
            }
        }
        if !problems.is_empty() {
            return Err(Failure::problems(problems));
        }
    }
    rows.print(bench.global.format)
}
