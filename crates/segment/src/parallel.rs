//! Work that takes the processor, on all of its cores.

use std::num::NonZero;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

/// How many jobs are done at a time.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Does each job on a thread that may be busy for long; the results are in the order of the jobs.
pub(crate) async fn on_all_cores<J, R, E>(
    jobs: impl IntoIterator<Item = J>,
    work: impl Fn(J) -> Result<R, E> + Send + Sync + 'static,
) -> Result<Vec<R>, E>
where
    J: Send + 'static,
    R: Send + 'static,
    E: Send + 'static,
{
    let work = Arc::new(work);
    let jobs: Vec<_> = jobs
        .into_iter()
        .map(|job| {
            let work = Arc::clone(&work);
            on_a_core(move || work(job))
        })
        .collect();
    stream::iter(jobs).buffered(cores()).try_collect().await
}

/// Does one job there.
pub(crate) async fn on_a_core<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // A job that panicked is a mistake of ours wherever it ran, and nobody cancels one.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
