//! The files that a source names, as a schedule that waits for them sees them, and as a check does.

use jiff::Timestamp;
use tranche_ingest::SampleFile;
use tranche_ingest::read::Origin;
use tranche_pipeline::RunError;
use tranche_pipeline::schedule::SourceFiles;
use tranche_store::objects::Matching;

use crate::check::SampleFiles;
use crate::tranche::Tranche;

impl Tranche {
    /// A file of each source whose files tell the types of raw columns, where they are on this machine.
    pub(crate) async fn sample_files(&self) -> SampleFiles {
        let mut samples = SampleFiles::new();
        for (name, pipeline) in &self.definitions.pipelines {
            for (source, _) in pipeline.sources.values() {
                let origin =
                    Origin { path: &source.path, storage: &self.storage, project_folder: &self.place.folder };
                if let Some(sample) = SampleFile::find(source, origin).await {
                    let _ = samples.insert((name.clone(), source.name.clone()), sample);
                }
            }
        }
        samples
    }

    /// The files of a source of a pipeline: the date of the newest, and a digest of all; `None` while there are none.
    ///
    /// # Errors
    /// [`RunError`] when there is no such source, or its files cannot be listed.
    pub async fn source_files(&self, pipeline: &str, source: &str) -> Result<Option<SourceFiles>, RunError> {
        let definitions = self.definitions.pipelines.get(pipeline);
        let message = || format!("pipeline `{pipeline}` has no source `{source}`");
        let found = definitions.and_then(|definitions| definitions.sources.get(source));
        let (source, _) = found.ok_or_else(|| RunError::Definitions { message: message() })?;
        let files = Matching::new(&self.storage, &source.path, &self.place.folder)?.objects().await?;
        let Some(newest) = files.iter().map(|file| file.meta.last_modified.timestamp_millis()).max() else {
            return Ok(None);
        };
        let Ok(newest) = Timestamp::from_millisecond(newest) else { return Ok(None) };
        let mut digest = blake3::Hasher::new();
        for file in &files {
            digest.update(format!("{}\n{}\n", file.meta.location, file.edition).as_bytes());
        }
        Ok(Some(SourceFiles { newest, digest: digest.finalize().to_hex().to_string() }))
    }
}
