//! What each step reads and writes, for catalogues: OpenLineage events of a run while it lasts.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tranche_observe::{Dataset, EventType, Field, InputField, Lineage, LineageEvent, step_run_id};
use tranche_pipeline::{
    Clock, Observer, Pipeline, RunPlan, RunReport, RunStatus, Step, StepFailure, StepOutcome, SystemClock,
    Targets,
};
use tranche_schema::{Contract, layout, platform};
use tranche_sql::{Session, column_lineage, table_folder};

use crate::workspace::{PipelineDefinitions, Workspace};

/// Tells of a run; events are sent on a task of their own, so that no step waits for a catalogue.
pub(crate) struct LineageWatch {
    namespace: String,
    pipeline: String,
    /// The run and the instant of its results, once it began.
    run: OnceLock<(String, jiff::Timestamp)>,
    datasets: Vec<(String, Vec<Dataset>, Vec<Dataset>)>,
    events: mpsc::Sender<LineageEvent>,
}

/// Events that wait for a slow catalogue, at most.
const WAITING: usize = 1_000;
/// How long a process that is about to end waits for catalogues.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until tasks have sent what was told, within a limit. The watches that told it are gone by then.
pub(crate) async fn sent(sending: Vec<JoinHandle<()>>) {
    let all = async {
        for task in sending {
            if let Err(error) = task.await {
                tracing::warn!(%error, "lineage was not sent to its end");
            }
        }
    };
    if timeout(PATIENCE, all).await.is_err() {
        tracing::warn!("lineage was not sent to its end within {} seconds", PATIENCE.as_secs());
    }
}

impl LineageWatch {
    /// Is ready to tell of a run of `pipeline` in the lake at `lake`. `session` has the contracts' tables, with or without rows. The
    /// task sends what it is told, and ends some time after the watch is dropped.
    pub(crate) async fn new(
        lineage: Lineage,
        pipeline: &Pipeline,
        lake: &str,
        workspace: &Workspace,
        session: &Session,
    ) -> (Self, JoinHandle<()>) {
        let (events, mut received) = mpsc::channel(WAITING);
        let namespace = lineage.namespace().to_owned();
        let sending = tokio::spawn(async move {
            while let Some(event) = received.recv().await {
                lineage.emit(&event).await;
            }
        });
        let mut datasets = Vec::new();
        if let Ok(definitions) = workspace.pipeline(&pipeline.name) {
            let known = Known { lake, workspace, definitions, session };
            for step in &pipeline.steps {
                let (inputs, outputs) = known.of_step(step).await;
                datasets.push((step.id.clone(), inputs, outputs));
            }
        }
        (Self { namespace, pipeline: pipeline.name.clone(), run: OnceLock::new(), datasets, events }, sending)
    }

    fn send(&self, event: Option<LineageEvent>) {
        if let Some(event) = event
            && let Err(error) = self.events.try_send(event)
        {
            tracing::warn!("a lineage event was not sent: {error}");
        }
    }

    fn run_event(&self, event_type: EventType) -> Option<LineageEvent> {
        let (run_id, as_of) = self.run.get()?;
        Some(
            LineageEvent::new(event_type, SystemClock.now(), run_id, &self.namespace, &self.pipeline)
                .nominal(*as_of),
        )
    }

    fn step_event(&self, event_type: EventType, step: &Step) -> Option<LineageEvent> {
        let (run_id, as_of) = self.run.get()?;
        let (run, job) = (step_run_id(run_id, &step.id), format!("{}.{}", self.pipeline, step.id));
        let event = LineageEvent::new(event_type, SystemClock.now(), &run, &self.namespace, &job);
        let event = event.nominal(*as_of).within(run_id, &self.pipeline);
        Some(match self.datasets.iter().find(|(id, _, _)| *id == step.id) {
            Some((_, inputs, outputs)) => event.datasets(inputs.clone(), outputs.clone()),
            None => event,
        })
    }
}

impl Observer for LineageWatch {
    fn run_started(&self, run: &RunPlan) {
        let (run_id, as_of) = self.run.get_or_init(|| (run.run_id.clone(), run.as_of));
        tracing::debug!(run_id, %as_of, "lineage is told");
        self.send(self.run_event(EventType::Start));
    }

    fn step_started(&self, step: &Step, attempt: u32) {
        if attempt == 1 {
            self.send(self.step_event(EventType::Start, step));
        }
    }

    fn step_done(&self, step: &Step, _: &StepOutcome, _: f64) {
        self.send(self.step_event(EventType::Complete, step));
    }

    fn step_failed(&self, step: &Step, failure: &StepFailure, retry_in: Option<Duration>) {
        if retry_in.is_none() {
            self.send(self.step_event(EventType::Fail, step).map(|event| event.failed(&failure.message)));
        }
    }

    fn run_ended(&self, report: &RunReport) {
        let message = report.message.as_deref().unwrap_or("a step failed");
        self.send(match report.status {
            RunStatus::Done => self.run_event(EventType::Complete),
            _ => self.run_event(EventType::Fail).map(|event| event.failed(message)),
        });
    }
}

/// What is known of a pipeline's definitions.
struct Known<'a> {
    lake: &'a str,
    workspace: &'a Workspace,
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
                let read = [layout::SEGMENT_HISTORY, layout::ESTIMATES]
                    .map(|table| table.folder)
                    .map(|name| self.dataset(name));
                let read = read.into_iter().chain(self.memberships());
                (
                    read.collect(),
                    vec![with_schema(self.dataset(layout::KPIS.folder), &platform::kpis::schema())],
                )
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
        let mut outputs = vec![with_schema(
            self.dataset(layout::SEGMENT_HISTORY.folder),
            &platform::segment_history::schema(),
        )];
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
        (inputs, vec![with_schema(self.dataset(layout::ESTIMATES.folder), &platform::estimates::schema())])
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
