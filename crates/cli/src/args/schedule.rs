//! What can be typed after `schedule`, `runs` and `backfill`.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// The run, or the beginning of its id.
    pub(crate) run: Option<String>,
    /// Only those of this pipeline.
    #[arg(long)]
    pub(crate) pipeline: Option<String>,
    /// Only those that stand like this: running, done, failed, skipped or missed.
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only those that began at or after this instant.
    #[arg(long, value_name = "T")]
    pub(crate) since: Option<String>,
    /// At most this many, the newest.
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// Only those of this backfill.
    #[arg(long, value_name = "ID", conflicts_with_all = ["run", "pipeline", "status", "since"])]
    pub(crate) backfill: Option<String>,
    /// Print events of the run until it ends.
    #[arg(long, requires = "run")]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackfillSlots {
    /// The pipeline.
    #[arg(required_unless_present_any = ["list", "resume"])]
    pub(crate) pipeline: Option<String>,
    /// The first instant.
    #[arg(long, value_name = "T", required_unless_present_any = ["list", "resume"])]
    pub(crate) from: Option<String>,
    /// The instant after the last.
    #[arg(long, value_name = "T", required_unless_present_any = ["list", "resume"])]
    pub(crate) to: Option<String>,
    /// Slots without a run: skipped, missed, undecided, or before the schedule was known (default).
    #[arg(long, conflicts_with_all = ["failed", "all"])]
    pub(crate) missing: bool,
    /// Slots whose run failed.
    #[arg(long, conflicts_with = "all")]
    pub(crate) failed: bool,
    /// All slots: those that were run are run again. Memberships at their instants, measurements and reports are replaced; those of other instants stay as they are.
    #[arg(long)]
    pub(crate) all: bool,
    /// List the slots; run nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How many slots are run at the same time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) concurrency: u16,
    /// In which order.
    #[arg(long, value_enum, default_value_t = Order::Oldest)]
    pub(crate) order: Order,
    /// List all backfills with their progress.
    #[arg(long, conflicts_with_all = ["pipeline", "from", "to", "missing", "failed", "all", "dry_run", "concurrency", "order", "resume"])]
    pub(crate) list: bool,
    /// Continue a backfill with the slots and options that it was started with.
    #[arg(long, value_name = "ID", conflicts_with_all = ["pipeline", "from", "to", "missing", "failed", "all", "dry_run", "concurrency", "order"])]
    pub(crate) resume: Option<String>,
}

/// The order of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// The oldest first.
    Oldest,
    /// The newest first.
    Newest,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Schedule {
    #[command(subcommand)]
    pub(crate) action: Option<ScheduleAction>,
    /// Run the slots that are due now, and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// How many runs may be active at the same time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_runs: u16,
    /// After how long a silence other daemons take a run over.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub(crate) lease: String,
    /// How long running steps may take to finish when the daemon is asked to end.
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub(crate) drain: String,
    /// Serve metrics for Prometheus at this address, `GET /metrics`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics: Option<std::net::SocketAddr>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleAction {
    /// List every slot with its local time and its outcome.
    #[command(
        after_help = "Fates: run (the reason is the run's status), skipped, missed, due, future (the reason says so\nwhen no daemon has applied an edit yet), and before for slots of today's definition that lie before the lake knew the schedule.\n\nExample:\n  tranche schedule explain --from 2026-10-24 --to 2026-10-27 --format csv"
    )]
    Explain {
        /// The first instant.
        #[arg(long, value_name = "T")]
        from: String,
        /// The instant after the last.
        #[arg(long, value_name = "T")]
        to: String,
        /// Only this pipeline.
        #[arg(long)]
        pipeline: Option<String>,
    },
    /// Skip the slots of a pipeline from now on.
    Pause {
        /// The pipeline.
        pipeline: String,
    },
    /// Run the slots of a pipeline again from now on.
    Resume {
        /// The pipeline.
        pipeline: String,
    },
}
