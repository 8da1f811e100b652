//! The datasets that steps read and write, for catalogues.

use std::collections::BTreeSet;

use tranche_observe::{Dataset, Field, InputField};
use tranche_pipeline::{Pipeline, Step, Targets};
use tranche_schema::{Contract, platform};
use tranche_sql::{Session, column_lineage, table_folder};

use crate::definitions::{PipelineDefinitions, ProjectDefinitions};
use crate::failure::Failure;
use crate::tranche::Tranche;

/// What a step reads and writes.
#[derive(Debug, Clone)]
pub struct StepDatasets {
    /// The step's id.
    pub step: String,
    /// What it reads.
    pub inputs: Vec<Dataset>,
    /// What it writes.
    pub outputs: Vec<Dataset>,
}

/// The datasets of every step of a pipeline, in the steps' order.
///
/// # Errors
/// [`Failure`] when the lake's location is not one.
pub async fn datasets(pipeline: &Pipeline, tranche: &Tranche) -> Result<Vec<StepDatasets>, Failure> {
    let lake = tranche.lake()?;
    let lake = lake.url().as_str().trim_end_matches('/');
    let session = tranche.definitions.empty_session(&tranche.engine)?;
    let mut datasets = Vec::new();
    if let Ok(definitions) = tranche.definitions.pipeline(&pipeline.name) {
        let known = Known { lake, workspace: &tranche.definitions, definitions, session: &session };
        for step in &pipeline.steps {
            let (inputs, outputs) = known.of_step(step).await;
            datasets.push(StepDatasets { step: step.id.clone(), inputs, outputs });
        }
    }
    Ok(datasets)
}

/// What is known of a pipeline's definitions.
struct Known<'a> {
    lake: &'a str,
    workspace: &'a ProjectDefinitions,
    definitions: &'a PipelineDefinitions,
    session: &'a Session,
}

impl Known<'_> {
    /// What a step reads and writes.
    async fn of_step(&self, step: &Step) -> (Vec<Dataset>, Vec<Dataset>) {
        match step.action.as_str() {
            "ingest" => self.of_ingest(step),
            "refresh" => self.of_refresh().await,
            "measure" => self.of_measure(step),
            "report" => {
                let read = ["segment_history", "estimates"].map(|name| self.dataset(name));
                let read = read.into_iter().chain(self.memberships());
                (read.collect(), vec![with_schema(self.dataset("kpis"), &platform::kpis::schema())])
            }
            _ => (Vec::new(), Vec::new()),
        }
    }

    fn dataset(&self, name: &str) -> Dataset {
        Dataset::new(self.lake, name)
    }

    fn table(&self, contract: &Contract) -> Dataset {
        with_schema(self.dataset(&table_folder(&contract.table)), &contract.arrow_schema())
    }

    fn memberships(&self) -> Vec<Dataset> {
        let entities = self.definitions.definitions.entities();
        entities
            .into_iter()
            .map(|entity| self.dataset(&tranche_segment::store::memberships_table(entity)))
            .collect()
    }

    fn of_ingest(&self, step: &Step) -> (Vec<Dataset>, Vec<Dataset>) {
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for (source, _) in
            self.definitions.sources.values().filter(|(source, _)| is_named(step, &source.name))
        {
            let Some(contract) = self.workspace.contracts.get(&source.into.value) else { continue };
            // A bucket is a namespace; what is local is so to the project.
            let (namespace, name) = match source
                .path
                .split_once("://")
                .and_then(|(scheme, rest)| Some((scheme, rest.split_once('/')?)))
            {
                Some((scheme, (bucket, path))) => (format!("{scheme}://{bucket}"), path.to_owned()),
                None => ("file".to_owned(), source.path.clone()),
            };
            let columns = contract.columns.iter().map(|column| {
                let raw = match source.columns.get(&column.name) {
                    Some(sql) => Session::columns_of(&sql.value),
                    None => vec![column.name.clone()],
                };
                let raw: BTreeSet<String> = raw.into_iter().collect();
                (column.name.clone(), raw.iter().map(|raw| InputField::new(&namespace, &name, raw)).collect())
            });
            outputs.push(self.table(contract).with_columns(columns.collect::<Vec<_>>()));
            inputs.push(Dataset::new(&namespace, &name));
        }
        (inputs, outputs)
    }

    async fn of_refresh(&self) -> (Vec<Dataset>, Vec<Dataset>) {
        let definitions = &self.definitions.definitions;
        let texts = definitions.traits.values().map(|traits| traits.file.text());
        let texts = texts.chain(definitions.segments.values().map(|segment| segment.file.text()));
        let tables: BTreeSet<String> = texts.flat_map(Session::tables_of).collect();
        let entities = definitions.entities();
        let read = definitions.contracts.values();
        let read = read.filter(|c| {
            tables.contains(&c.table) || c.entity().is_some_and(|entity| entities.contains(&entity))
        });
        let inputs = read.map(|contract| self.table(contract)).collect();
        let mut outputs =
            vec![with_schema(self.dataset("segment_history"), &platform::segment_history::schema())];
        for entity in entities {
            let Some(contract) = definitions.entity_contract(entity) else { continue };
            outputs.push(self.traits(entity, contract).await);
            let key = contract.columns.iter().find(|column| Some(&column.name) == contract.key.first());
            if let Some(key) = key {
                let schema = platform::memberships::schema(&key.name, &key.data_type);
                outputs.push(with_schema(
                    self.dataset(&tranche_segment::store::memberships_table(entity)),
                    &schema,
                ));
            }
        }
        (inputs, outputs)
    }

    /// The wide table of an entity: its own columns, and the traits with what their SQL makes them from.
    async fn traits(&self, entity: &str, contract: &Contract) -> Dataset {
        let own = table_folder(&contract.table);
        let mut fields: Vec<Field> =
            contract.columns.iter().map(|column| Field::new(&column.name, &column.data_type)).collect();
        let mut columns: Vec<(String, Vec<InputField>)> = contract
            .columns
            .iter()
            .map(|c| (c.name.clone(), vec![InputField::new(self.lake, &own, &c.name)]))
            .collect();
        let key = contract.key.first().map(String::as_str);
        for traits in self.definitions.definitions.traits.values().filter(|traits| traits.entity == entity) {
            // What does not plan was refused before the run.
            let Ok(plan) = self.session.plan(traits.file.text(), key).await else { continue };
            for field in plan.schema().fields().iter().filter(|field| Some(field.name().as_str()) != key) {
                fields.push(Field::new(field.name(), field.data_type()));
            }
            for (column, origins) in
                column_lineage(&plan).into_iter().filter(|(column, _)| Some(column.as_str()) != key)
            {
                let inputs = origins
                    .iter()
                    .map(|(table, column)| InputField::new(self.lake, &table_folder(table), column));
                columns.push((column, inputs.collect()));
            }
        }
        self.dataset(&tranche_segment::store::traits_table(entity)).with_schema(fields).with_columns(columns)
    }

    fn of_measure(&self, step: &Step) -> (Vec<Dataset>, Vec<Dataset>) {
        let experiments =
            self.definitions.experiments.values().filter(|experiment| is_named(step, &experiment.name));
        let tables: BTreeSet<&str> = experiments.map(|experiment| experiment.table.value.as_str()).collect();
        let exposures = tables.into_iter().filter_map(|table| self.workspace.contracts.get(table));
        let inputs = exposures.map(|contract| self.table(contract)).chain(self.memberships()).collect();
        (inputs, vec![with_schema(self.dataset("estimates"), &platform::estimates::schema())])
    }
}

fn with_schema(dataset: Dataset, schema: &arrow::datatypes::Schema) -> Dataset {
    dataset.with_schema(schema.fields().iter().map(|field| Field::new(field.name(), field.data_type())))
}

fn is_named(step: &Step, name: &str) -> bool {
    match &step.targets {
        Targets::All => true,
        Targets::Named(names) => names.iter().any(|named| named.value == name),
    }
}
