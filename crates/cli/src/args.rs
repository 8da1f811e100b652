//! What can be typed.

mod schedule;
mod traits;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
pub(crate) use schedule::{BackfillSlots, Order, Runs, Schedule, ScheduleAction};
pub(crate) use traits::Trait;
use tranche_workspace::queries::experiments::InferenceKind;
use tranche_workspace::queries::statistics::{
    Alternative, CaseInference, Margin, Prior, RelativeMethod, Spending,
};

/// Nightly audience segments, A/B measurement and KPI reports over Parquet in object storage.
#[derive(Debug, Parser)]
#[command(name = "tranche", version, after_help = EXAMPLES, max_term_width = 120)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  tranche init my-project                         a small working project, with data
  tranche --project my-project check              every definition, no data read
  tranche --project my-project run shop --as-of 2026-11-01
  tranche --project my-project segment list
  tranche --project my-project segment list --columns segment,size,as_of
  tranche --project my-project sql 'SELECT segment, size FROM segment_history' --format markdown

Exit codes: 0 done, 1 a run or check of data failed, 2 a definition or argument is wrong, 3 storage or network.";

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The project's folder.
    #[arg(long, global = true, value_name = "DIR", default_value = ".", env = "TRANCHE_PROJECT")]
    pub(crate) project: PathBuf,
    /// The lake, instead of the one in tranche.yaml: a folder, or s3://, gs://, az://.
    #[arg(long, global = true, value_name = "URL", env = "TRANCHE_LAKE")]
    pub(crate) lake: Option<String>,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Show every column and every text in full, however wide that is.
    #[arg(long, global = true)]
    pub(crate) wide: bool,
    /// Show only these columns, in this order; in tables, CSV and Markdown.
    #[arg(long, global = true, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Log more: -v for what happens, -vv for details, -vvv for everything. Without it, errors; of what runs pipelines warnings too.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How log lines are written: those of a run say in which run and step they were.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "TRANCHE_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: a JSON object a line.
    Json,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
    /// For documents.
    Markdown,
}

/// The command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a small working project, with data.
    #[command(
        after_help = "Example:\n  tranche init my-project && tranche --project my-project run shop --as-of 2026-11-01"
    )]
    Init(Init),
    /// Check every definition and every SQL statement against the contracts; no rows are read.
    #[command(after_help = "Example:\n  tranche check --format json")]
    Check,
    /// Run a pipeline now.
    #[command(
        after_help = "Examples:\n  tranche run shop\n  tranche run shop --as-of 2026-11-01 --format json"
    )]
    Run(Run),
    /// Run due slots, and keep running: every slot of every schedule, exactly once, with any number of daemons on one lake.
    #[command(
        after_help = "Examples:\n  tranche schedule\n  tranche schedule --once\n  tranche schedule explain --from 2026-10-24 --to 2026-10-27 --pipeline shop\n  tranche schedule pause shop"
    )]
    Schedule(Schedule),
    /// List runs and the slots that were not run, or show one run as a timeline.
    #[command(
        after_help = "Examples:\n  tranche runs --pipeline shop --status failed --since 2026-11-01\n  tranche runs 0199d2c4\n  tranche runs 0199d2c4 --follow"
    )]
    Runs(Runs),
    /// Run past slots of a pipeline, in order. Can be interrupted; continue with --resume.
    #[command(
        after_help = "Examples:\n  tranche backfill shop --from 2026-10-01 --to 2026-11-01 --dry-run\n  tranche backfill shop --from 2026-10-01 --to 2026-11-01 --failed --concurrency 2\n  tranche backfill --list\n  tranche backfill --resume 0199d2c4"
    )]
    Backfill(BackfillSlots),
    /// Continue a run after a failure; committed steps are not run again.
    #[command(after_help = "Examples:\n  tranche resume 0199d2c4\n  tranche resume 0199d2c4 --force")]
    Resume {
        /// The run, or the beginning of its id.
        run: String,
        /// Take the run over at once, even if it may still be active.
        #[arg(long)]
        force: bool,
    },
    /// Segments: who is in them.
    #[command(subcommand)]
    Segment(Segment),
    /// Traits: computed attributes of entities.
    #[command(subcommand, name = "trait")]
    Trait(Trait),
    /// Experiments: what they showed.
    #[command(subcommand)]
    Experiment(Experiment),
    /// Make a report now.
    #[command(after_help = "Example:\n  tranche report monthly --as-of 2026-11-01")]
    Report(Report),
    /// Rejected rows.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Query the lake: contracts, traits, memberships, estimates, KPIs, runs.
    #[command(
        after_help = "Examples:\n  tranche sql 'SELECT count(*) FROM orders'\n  tranche sql 'SELECT count(*) FROM orders' --as-of 2026-11-01\n  tranche sql 'SELECT * FROM traits LIMIT 5'"
    )]
    Sql(Sql),
    /// Check the storage, the clock, the project and the lake, with advice for each finding; exit code 1 if there is one.
    #[command(
        after_help = "Examples:\n  tranche doctor\n  tranche doctor --deep\n  tranche doctor --format json | jq '.[] | select(.ok | not)'"
    )]
    Doctor {
        /// Read every file of every table and every document as a whole, and verify their checksums: names what is
        /// damaged, and takes as long as reading the lake.
        #[arg(long)]
        deep: bool,
    },
    /// Experiment statistics on given sufficient statistics.
    #[command(
        after_help = "Example:\n  echo '{\"cases\": {\"a\": {\"kind\": \"proportion\", \"a\": {\"n\": 1000, \"sum\": 100}, \"b\": {\"n\": 1000, \"sum\": 120}}}}' | tranche stats -"
    )]
    Stats(Stats),
    /// Print shell completions.
    #[command(after_help = "Example:\n  tranche completions bash > /etc/bash_completion.d/tranche")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the JSON Schemas of all definitions into a folder.
    #[command(hide = true)]
    JsonSchemas {
        /// The folder.
        folder: PathBuf,
    },
}

impl Command {
    /// Whether it runs pipelines, by night and unattended: then what is not as it should be stands in its log, though nothing failed.
    pub(crate) fn runs_pipelines(&self) -> bool {
        matches!(
            self,
            Self::Run(_)
                | Self::Resume { .. }
                | Self::Backfill(_)
                | Self::Schedule(Schedule { action: None, .. })
        )
    }
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder; it must be empty or not there.
    pub(crate) folder: PathBuf,
    /// Customers of the made-up shop.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) customers: u32,
    /// Write only the data, for a folder that has the definitions already.
    #[arg(long)]
    pub(crate) data_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The pipeline.
    pub(crate) pipeline: String,
    /// The instant that results are true for (default: the schedule's latest slot, or now without a schedule).
    #[arg(long, value_name = "T")]
    pub(crate) as_of: Option<String>,
    /// Rebuild memberships from as_of on, even if later refreshes were published.
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Segment {
    /// List segments with size, entered, exited and unmatched.
    List(AsOf),
    /// Show a segment: its definition and its history.
    Show {
        /// The segment: `vip`, `lifecycle/new`, or a set.
        segment: String,
    },
    /// Print the keys of a segment's members.
    #[command(after_help = "Example:\n  tranche segment members lapsing_vip --format csv > vip.csv")]
    Members {
        /// The segment: `vip` or `lifecycle/new`.
        segment: String,
        #[command(flatten)]
        as_of: AsOf,
    },
    /// Evaluate a definition without publishing it: size, a sample of members, who would enter and leave.
    #[command(
        after_help = "Examples:\n  tranche segment preview lapsing_vip --as-of 2026-11-01\n  tranche segment preview drafts/new_idea.sql --limit 20"
    )]
    Preview {
        /// The segment or set, or a .sql file that need not be in the project yet.
        #[arg(value_name = "NAME|FILE")]
        segment: String,
        #[command(flatten)]
        as_of: LastRefresh,
        /// At most about this many members in the sample.
        #[arg(long, default_value_t = 10)]
        limit: usize,
        /// The pipeline that a new file is meant for (default: the one that segments its entity).
        #[arg(long)]
        pipeline: Option<String>,
    },
    /// Say whether an entity is a member, and why: its values, each condition, its memberships.
    #[command(after_help = "Example:\n  tranche segment why lapsing_vip c00017 --as-of 2026-11-01")]
    Why {
        /// The segment: `vip`, `lifecycle/new`, or a set.
        segment: String,
        /// The entity's key.
        key: String,
        #[command(flatten)]
        as_of: LastRefresh,
    },
    /// Show what segments have in common, as published: every pair, with the members of both.
    #[command(
        after_help = "Examples:\n  tranche segment overlap vip lapsing_vip lifecycle\n  tranche segment overlap --format csv > overlap.csv"
    )]
    Overlap {
        /// Segments, or sets for all of theirs (default: all that are published).
        segments: Vec<String>,
        /// The entity, when several are segmented and no segment is named.
        #[arg(long)]
        entity: Option<String>,
        #[command(flatten)]
        as_of: AsOf,
    },
    /// Show what a refresh would read, which definitions share it, and why others do not.
    #[command(
        after_help = "Examples:\n  tranche segment explain\n  tranche segment explain lapsing_vip --as-of 2026-11-02 --format json"
    )]
    Explain {
        /// Only these segments and sets (default: all, with the traits).
        segments: Vec<String>,
        /// The instant of the refresh, such as 2026-11-01 (default: now).
        #[arg(long, value_name = "T")]
        as_of: Option<String>,
        /// Only this pipeline.
        #[arg(long)]
        pipeline: Option<String>,
    },
    /// Give segments a past: publish memberships and history as if they had been refreshed at each instant.
    #[command(
        after_help = "Examples:\n  tranche segment backfill new_idea --from 2026-08-01 --to 2026-10-31\n  tranche segment backfill --pipeline shop --from 2026-08-01T02:00 --to 2026-11-01 --every 7d --rebuild --dry-run"
    )]
    Backfill(Backfill),
    /// Show how a segment grew and shrank, refresh by refresh, oldest first.
    #[command(after_help = "Example:\n  tranche segment history lapsing_vip")]
    History {
        /// The segment: `vip`, `lifecycle/new`, or a set.
        segment: String,
    },
    /// Run the known answers, `tests:`, of segments; exit code 1 when one does not hold.
    #[command(
        after_help = "Examples:\n  tranche segment test\n  tranche segment test vip lifecycle/new --format json"
    )]
    Test {
        /// Only those of these segments.
        segments: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Backfill {
    /// Only these segments and sets (default: all of the pipeline); what they need is computed too.
    #[arg(value_name = "NAME")]
    pub(crate) segments: Vec<String>,
    /// The first instant; days follow at the same time of day in the project's time zone.
    #[arg(long, value_name = "T")]
    pub(crate) from: String,
    /// The last instant, if the steps come upon it.
    #[arg(long, value_name = "T")]
    pub(crate) to: String,
    /// From one instant to the next, such as `1d`, `7d` or `12h`.
    #[arg(long, value_name = "DURATION", default_value = "1d")]
    pub(crate) every: String,
    /// The pipeline, when there are several and no segment is named.
    #[arg(long)]
    pub(crate) pipeline: Option<String>,
    /// Replace the history and the memberships that the segments have from the first instant on.
    #[arg(long)]
    pub(crate) rebuild: bool,
    /// List the instants, the segments and what would be rebuilt; compute and publish nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Experiment {
    /// List experiments with their last measurement.
    List,
    /// Show what an experiment showed.
    Show {
        /// The experiment.
        experiment: String,
        #[command(flatten)]
        as_of: AsOf,
    },
    /// Plan an experiment from the lake's own history: units, days, and what can be seen with them.
    #[command(
        after_help = "Examples:\n  tranche experiment power winback\n  tranche experiment power winback --effect 5% --effect 0.01 --segment lapsing_vip --units-per-day 40"
    )]
    Power(Power),
    /// Draw the variants of an experiment's units again, some thousand times, and hold error rates, intervals and checks against what
    /// they promise. Leaves with 1 when a promise is broken.
    #[command(
        after_help = "Examples:\n  tranche experiment validate winback\n  tranche experiment validate winback --iterations 10000 --metric revenue --inference fixed --inference sequential"
    )]
    Validate(Validate),
    /// Say which variant units are assigned to, by version 2 of GrowthBook's hash; no data is read.
    #[command(after_help = "Example:\n  tranche experiment assign winback --id c00017 --id c00018")]
    Assign {
        /// The experiment.
        experiment: String,
        /// A unit's id; may be given several times.
        #[arg(long, required = true)]
        id: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Power {
    /// The experiment.
    pub(crate) experiment: String,
    /// Effects to be found: in the metric's unit, such as 0.02, or of its mean, such as 2% (default 1, 2, 5, 10 and 20 %).
    #[arg(long, value_name = "E|P%")]
    pub(crate) effect: Vec<Margin>,
    /// The chance to find an effect that is there.
    #[arg(long, default_value_t = 0.8)]
    pub(crate) power: f64,
    /// Units exposed per day, all variants together (default: those of the exposures in the 28 days before).
    #[arg(long, value_name = "N")]
    pub(crate) units_per_day: Option<f64>,
    /// The segment that units come from (default: everyone).
    #[arg(long)]
    pub(crate) segment: Option<String>,
    /// The instant before which the history lies (default: the beginning of the experiment's period, or now if that is to come).
    #[arg(long, value_name = "T")]
    pub(crate) as_of: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The experiment.
    pub(crate) experiment: String,
    /// How often variants are drawn.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub(crate) iterations: usize,
    /// Where the random numbers begin: the same seed gives the same rows.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// A metric of the experiment; may be given several times (default: all).
    #[arg(long)]
    pub(crate) metric: Vec<String>,
    /// fixed, sequential, mixture, group_sequential or bayes; may be given several times (default: all). Parameters are those of the
    /// experiment where it has them.
    #[arg(long)]
    pub(crate) inference: Vec<InferenceKind>,
    /// The instant before which the data lies (default: now).
    #[arg(long, value_name = "T")]
    pub(crate) as_of: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// List rejected rows with file, row, column and reason.
    List {
        /// Only those of this source.
        source: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The report.
    pub(crate) report: String,
    #[command(flatten)]
    pub(crate) as_of: AsOf,
}

#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// One SELECT.
    pub(crate) query: String,
    #[command(flatten)]
    pub(crate) as_of: AsOf,
}

/// The instant of a question.
#[derive(Debug, Args)]
pub(crate) struct AsOf {
    /// The instant to look at, such as 2026-11-01 or 2026-11-01T02:00:00Z (default: the latest).
    #[arg(long, value_name = "T")]
    pub(crate) as_of: Option<String>,
}

/// The instant of a question to a definition.
#[derive(Debug, Args)]
pub(crate) struct LastRefresh {
    /// The instant to evaluate at, such as 2026-11-01 (default: that of the last refresh, or now before the first).
    #[arg(long, value_name = "T")]
    pub(crate) as_of: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// A file with cases, `-` for standard input.
    pub(crate) file: String,
    /// The chance of a false alarm.
    #[arg(long, default_value_t = 0.05)]
    pub(crate) alpha: f64,
    /// What to compute: fixed, sequential, group_sequential or bayes (default fixed, sequential and bayes).
    #[arg(long, value_name = "INFERENCE")]
    pub(crate) inference: Vec<CaseInference>,
    /// Tuning parameters of confidence sequences, in units (default 1000, 5000, 10000).
    #[arg(long, value_name = "N")]
    pub(crate) tuning: Vec<f64>,
    /// Priors: `flat`, `MEAN,SD` on the relative effect (default flat and 0,0.3), `absolute:MEAN,SD` on the difference.
    #[arg(long, value_name = "flat|MEAN,SD")]
    pub(crate) prior: Vec<Prior>,
    /// Where relative results come from, `fieller_relative` aside: fieller or delta.
    #[arg(long, value_name = "METHOD", default_value = "delta")]
    pub(crate) relative: RelativeMethod,
    /// The direction of tests: two_sided, greater or less (default two_sided; with a margin, the one in which the metric is better).
    #[arg(long)]
    pub(crate) alternative: Option<Alternative>,
    /// How much worse the treatment may be: in the metric's unit, such as 0.02, or of the control mean, such as 2%.
    #[arg(long, value_name = "M|P%")]
    pub(crate) margin: Option<Margin>,
    /// Group-sequential: a number of even looks, all taken, or the information fractions of those taken so far.
    #[arg(long, value_name = "N|FRACTIONS", default_value = "5")]
    pub(crate) looks: String,
    /// Group-sequential: how alpha is spent: obrien_fleming, pocock or power:RHO.
    #[arg(long, default_value = "obrien_fleming")]
    pub(crate) spending: Spending,
    /// Group-sequential: the present look is the last, so that it spends what is left of alpha.
    #[arg(long)]
    pub(crate) last: bool,
}
