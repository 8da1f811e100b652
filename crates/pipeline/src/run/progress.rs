//! Progress of a step, on its way from the step to the observers of its run.

use std::pin::pin;

use tokio::sync::watch;

/// Takes the reports of a step about its progress. Clones report for the same step; a report replaces one
/// that was not read yet.
///
/// ```
/// let progress = tranche_pipeline::Progress::default();
/// progress.report("orders: 3 of 18 files");
/// ```
#[derive(Debug, Clone)]
pub struct Progress(watch::Sender<String>);

/// Reports are dropped.
impl Default for Progress {
    fn default() -> Self {
        Self(watch::Sender::default())
    }
}

impl Progress {
    /// Reports the current work of the step. Never blocks.
    pub fn report(&self, message: impl Into<String>) {
        self.0.send_replace(message.into());
    }
}

/// Drives `work` to its end, and hands its reports by `progress` to `notify` on the way.
pub(crate) async fn with_reports<T>(
    progress: Progress,
    work: impl Future<Output = T>,
    notify: impl Fn(&str),
) -> T {
    let mut reports = progress.0.subscribe();
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            ended = &mut work => return ended,
            Ok(()) = reports.changed() => notify(&reports.borrow_and_update()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test]
    async fn of_reports_that_were_not_read_the_last_one_arrives() {
        let (progress, seen) = (Progress::default(), RefCell::new(Vec::new()));
        let work = async {
            progress.report("1 of 3");
            progress.report("2 of 3");
            tokio::task::yield_now().await;
            progress.report("3 of 3");
            tokio::task::yield_now().await;
            7
        };
        let notify = |message: &str| seen.borrow_mut().push(message.to_owned());
        assert_eq!(with_reports(progress.clone(), work, notify).await, 7);
        assert_eq!(seen.into_inner(), ["2 of 3", "3 of 3"]);
    }
}
