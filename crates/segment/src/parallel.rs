//! Work that takes the processor, on all of its cores.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

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

/// Does jobs that are futures, by number, on as many threads as there are cores, and takes their results in order. Jobs far ahead of
/// what was taken wait, so that few results are in memory.
pub(crate) fn in_order<F, R, E>(
    jobs: usize,
    work: impl Fn(usize) -> F + Sync,
    mut take: impl FnMut(usize, R) -> Result<(), E>,
) -> Result<(), E>
where
    F: Future<Output = Result<R, E>>,
    R: Send,
    E: Send,
{
    let runtime = tokio::runtime::Handle::current();
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::sync_channel(cores());
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let mut threads = 0;
            for _ in 0..cores().min(jobs) {
                let (sender, runtime, next, work) = (sender.clone(), runtime.clone(), &next, &work);
                // Plans nest deeply.
                let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
                let spawned = thread.spawn_scoped(scope, move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= jobs || sender.send((number, runtime.block_on(work(number)))).is_err() {
                            return;
                        }
                    }
                });
                threads += usize::from(spawned.is_ok());
            }
            drop(sender);
            if threads == 0 {
                return (0..jobs).try_for_each(|number| take(number, runtime.block_on(work(number))?));
            }
            let mut early = BTreeMap::new();
            let mut due = 0;
            for (number, found) in receiver {
                early.insert(number, found);
                while let Some(found) = early.remove(&due) {
                    take(due, found?)?;
                    due += 1;
                }
            }
            Ok(())
        })
    })
}

const STACK_BYTES: usize = 16 << 20;

/// Does one job there.
pub(crate) async fn on_a_core<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // A job that panicked is a mistake of ours wherever it ran, and nobody cancels one.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
