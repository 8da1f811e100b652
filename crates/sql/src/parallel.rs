//! Work that takes the processor, on the engine's threads.
//!
//! [`Threads`] is how many of them a piece of work may take; an [`Engine`](crate::Engine) and a [`Session`](crate::Session) hand it
//! out. Jobs are handed out one after another, so that a thread which is done early takes the next one.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::task::JoinSet;

/// How many threads a piece of work may take; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// So many threads, or one for none.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self(NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN))
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> usize {
        self.0.get()
    }

    /// The share of each of so many users that work side by side.
    #[must_use]
    pub fn shared_by(self, users: usize) -> Self {
        Self::new(self.count() / users.clamp(1, self.count()))
    }

    /// Does each job on a thread that may be busy for long; the results are in the order of the jobs.
    ///
    /// # Errors
    /// That of the first job, in their order, that fails; jobs after it may be left out.
    pub async fn map<J, R, E>(
        self,
        jobs: impl IntoIterator<Item = J>,
        work: impl Fn(J) -> Result<R, E> + Send + Sync + 'static,
    ) -> Result<Vec<R>, E>
    where
        J: Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
    {
        let jobs: Vec<J> = jobs.into_iter().collect();
        let count = jobs.len();
        let shared = Arc::new((Queue::new(jobs), work));
        let mut workers = JoinSet::new();
        for _ in 0..self.count().min(count) {
            let shared = Arc::clone(&shared);
            workers.spawn_blocking(move || {
                let (queue, work) = &*shared;
                let mut done = Vec::new();
                while let Some((place, job)) = queue.next() {
                    let result = work(job);
                    if result.is_err() {
                        queue.close();
                    }
                    done.push((place, result));
                }
                done
            });
        }
        let mut done = Vec::with_capacity(count);
        while let Some(worker) = workers.join_next().await {
            done.extend(finished(worker));
        }
        done.sort_unstable_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// Does the work for each of some borrowed items, and waits for it; the results are in the order of the items.
    pub fn map_borrowed<T: Sync, R: Send>(self, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
        let threads = self.count().min(items.len());
        if threads <= 1 {
            return items.iter().map(work).collect();
        }
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(place) else { break };
                        let result = work(item);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((place, result));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// Does jobs that are futures, by number, each on a thread, and takes their results in order. Jobs far ahead of what was taken
    /// wait, so that few results are in memory.
    ///
    /// # Errors
    /// That of the first job, in their order, that fails, or of `take`.
    pub fn in_order<F, R, E>(
        self,
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
        let (sender, receiver) = mpsc::sync_channel(self.count());
        tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                let mut threads = 0;
                for _ in 0..self.count().min(jobs) {
                    let (sender, runtime, next, work) = (sender.clone(), runtime.clone(), &next, &work);
                    // Plans nest deeply.
                    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
                    let spawned = thread.spawn_scoped(scope, move || {
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            if number >= jobs
                                || sender.send((number, runtime.block_on(work(number)))).is_err()
                            {
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
}

const STACK_BYTES: usize = 16 << 20;

/// Does one job on a thread that may be busy for long.
pub async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    finished(tokio::task::spawn_blocking(work).await)
}

/// Runs so many workers side by side, by number, until each is done. Workers wait for storage in between.
///
/// # Errors
/// That of a worker; the others are stopped.
pub(crate) async fn workers<F, E>(count: usize, work: impl Fn(usize) -> F) -> Result<(), E>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
{
    let mut workers: JoinSet<Result<(), E>> = (0..count).map(work).collect();
    while let Some(worker) = workers.join_next().await {
        finished(worker)?;
    }
    Ok(())
}

/// What a task returned. One that panicked is a defect of Tranche wherever it ran, and none is cancelled.
fn finished<R>(outcome: Result<R, tokio::task::JoinError>) -> R {
    match outcome {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Jobs that are handed out in their order.
struct Queue<J>(Mutex<std::iter::Enumerate<std::vec::IntoIter<J>>>);

impl<J> Queue<J> {
    fn new(jobs: Vec<J>) -> Self {
        Self(Mutex::new(jobs.into_iter().enumerate()))
    }

    fn next(&self) -> Option<(usize, J)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    /// Hands out no more.
    fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Vec::new().into_iter().enumerate();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_are_in_the_order_of_jobs() {
        let items: Vec<u64> = (0..1000).collect();
        let tripled: Vec<u64> = items.iter().map(|item| item * 3).collect();
        for threads in [0, 1, 3].map(Threads::new) {
            assert_eq!(threads.map_borrowed(&items, |item| item * 3), tripled);
            assert_eq!(threads.map(items.clone(), |item| Ok::<_, ()>(item * 3)).await, Ok(tripled.clone()));
            assert_eq!(threads.map_borrowed(&[], |item: &u64| *item), Vec::<u64>::new());
            assert_eq!(threads.map(Vec::new(), Ok::<u64, ()>).await, Ok(Vec::new()));
        }
    }

    #[tokio::test]
    async fn the_first_failure_in_order_is_reported() {
        let fails_late = |item: u64| {
            std::thread::yield_now();
            if item >= 10 { Err(item) } else { Ok(()) }
        };
        for _ in 0..20 {
            assert_eq!(Threads::new(4).map(0..1000, fails_late).await, Err(10));
        }
    }

    #[test]
    fn no_more_threads_work_than_there_are() {
        let (busy, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Threads::new(2).map_borrowed(&[(); 200], |()| {
            most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            busy.fetch_sub(1, Ordering::SeqCst);
        });
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(Threads::new(8).shared_by(3).count(), 2);
        assert_eq!((Threads::new(2).shared_by(9).count(), Threads::new(2).shared_by(0).count()), (1, 2));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn futures_are_taken_in_order() {
        let mut taken = Vec::new();
        let done = Threads::new(3).in_order(
            50,
            |number| async move { Ok::<_, ()>(number) },
            |place, number| {
                taken.push((place, number));
                Ok(())
            },
        );
        assert_eq!(done, Ok(()));
        assert_eq!(taken, (0..50).map(|number| (number, number)).collect::<Vec<_>>());
    }
}
