//! Where everything in a lake lies, and for how long: its tables, saved state, the scheduler's objects,
//! reports.
//!
//! [`Layout`] lists the tables, each a [`Table`]; [`state`] is where partial results are saved, [`system`]
//! what runs and notifications write, and [`report`] where a report goes. No other place spells a folder of
//! the lake.
//!
//! ```
//! use tranche_schema::layout::{self, Layout};
//!
//! assert_eq!(layout::MEMBERSHIPS.of("customer"), "memberships/customer");
//! let layout = Layout::default();
//! let (table, entity) = layout.find("traits/customer").unwrap();
//! assert_eq!(table.sql_name(entity.unwrap()), "traits_customer");
//! ```

pub mod state;
pub mod system;
mod tables;

pub use tables::{LEDGER, Layout};

pub use crate::platform::estimate_series::ESTIMATE_SERIES;
pub use crate::platform::estimates::ESTIMATES;
pub use crate::platform::kpis::KPIS;
pub use crate::platform::loads::LOADS;
pub use crate::platform::memberships::MEMBERSHIPS;
pub use crate::platform::quarantine::QUARANTINE;
pub use crate::platform::segment_history::SEGMENT_HISTORY;
pub use crate::platform::tables::TABLES;
pub use crate::platform::traits::TRAITS;
pub use crate::table::{Compaction, Partitioning, Retention, Scope, Table};

/// The folder of reports.
pub const REPORTS: &str = "reports";

/// The document of a report, in its folder.
pub const REPORT_DOCUMENT: &str = "report.json";

/// The page of a report, in its folder.
pub const REPORT_PAGE: &str = "index.html";

/// The folder of a report as of an instant. Reports stay for ever; `:` in the instant is written `-`, for
/// file systems that lack it.
#[must_use]
pub fn report(name: &str, as_of: &str) -> String {
    format!("{REPORTS}/{name}/{}", as_of.replace(':', "-"))
}
