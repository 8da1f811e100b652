//! What can be typed after `trait`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Trait {
    /// List traits with their type and where they are defined.
    List,
    /// Show a trait: its definition, and how its values lie.
    #[command(
        after_help = "Examples:\n  tranche trait show revenue_365d\n  tranche trait show revenue_365d --as-of 2026-06-01"
    )]
    Show {
        /// The trait.
        #[arg(value_name = "NAME")]
        name: String,
        /// Compute the values at this instant (default: those published last).
        #[arg(long, value_name = "T")]
        as_of: Option<String>,
        /// Show values of a trait that is made from personal data (columns marked `pii`), too.
        #[arg(long)]
        personal: bool,
    },
}
