//! The datasets that steps read and write, as catalogues of lineage name them.

use std::collections::BTreeSet;

use arrow::datatypes::Schema;
use tranche_observe::{Dataset, Field};
use tranche_schema::Contract;
use tranche_segment::Scope;
use tranche_sql::{Session, table_folder};

use crate::definitions::{PipelineDefinitions, ProjectDefinitions};
use crate::failure::Failure;

/// What a step reads and writes.
#[derive(Debug, Clone, Default)]
pub struct Datasets {
    /// What it reads.
    pub inputs: Vec<Dataset>,
    /// What it writes.
    pub outputs: Vec<Dataset>,
}

/// What is known where datasets are named.
pub struct LineageScope<'a> {
    /// The lake's URL, without a slash at its end: the namespace of its datasets.
    pub lake: &'a str,
    /// Every definition of the project.
    pub definitions: &'a ProjectDefinitions,
    /// The definitions of the pipeline.
    pub pipeline: &'a PipelineDefinitions,
    /// A session with the contracts' tables, which need no rows.
    pub session: &'a Session,
}

impl LineageScope<'_> {
    /// A folder of the lake.
    #[must_use]
    pub fn dataset(&self, folder: &str) -> Dataset {
        Dataset::new(self.lake, folder)
    }

    /// A table of the platform.
    #[must_use]
    pub fn platform(&self, folder: &str, schema: &Schema) -> Dataset {
        let fields = schema.fields().iter().map(|field| Field::new(field.name(), field.data_type()));
        self.dataset(folder).with_schema(fields)
    }

    /// The table of a contract.
    #[must_use]
    pub fn contract(&self, contract: &Contract) -> Dataset {
        self.platform(&table_folder(&contract.table), &contract.arrow_schema())
    }

    /// The tables of the contracts that are named, each once, in the order of the contracts.
    pub fn contracts(&self, is_named: impl Fn(&str) -> bool) -> impl Iterator<Item = Dataset> {
        let contracts = self.definitions.contracts.values();
        contracts.filter(move |contract| is_named(&contract.table)).map(|contract| self.contract(contract))
    }

    /// The tables that segments of an entity are evaluated from, with those of the traits that they use.
    ///
    /// # Errors
    /// [`Failure`] when a session cannot register the traits.
    pub async fn tables_of_segments(
        &self,
        entity: &str,
        segments: &[String],
    ) -> Result<BTreeSet<String>, Failure> {
        let definitions = &self.pipeline.definitions;
        let scope = Scope::of(definitions, entity, segments, self.session).await?;
        Ok(scope.tables(definitions))
    }
}
