//! How results are shown.
//!
//! [`ReportSpec`] is a report as its author wrote it, [`Report`] what it means; [`build`] gathers what it shows into a
//! [`ReportDocument`], which is published as JSON and, by [`render`], as one self-contained page; [`publish`] writes both into the
//! lake.
//!
//! The page is a pure function of the document, and the document of the lake at one `as_of`: publishing again gives the same. This
//! crate estimates nothing by itself but the mean of a KPI; effects of experiments come as others stored them.
//!
//! What a document lacks is left out of the page:
//!
//! ```
//! use tranche_report::{ReportDocument, render};
//!
//! let document: ReportDocument = serde_json::from_str(
//!     r#"{
//!         "report": "weekly", "pipeline": "shop", "run_id": "r1", "as_of": "2026-10-05T00:00:00Z", "time_zone": "UTC",
//!         "period": {"unit": "week", "from": "2026-09-28", "to": "2026-10-05", "label": "Week 40"},
//!         "segments": [{"segment": "vip", "size": 1284, "unmatched": 0, "history": []}]
//!     }"#,
//! )?;
//! let page = render(&document);
//! assert!(page.contains("<title>Weekly: Week 40</title>"));
//! assert!(page.contains("<b>1,284</b>"));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod build;
mod context;
mod definition;
mod document;
mod error;
mod facts;
mod html;
mod kpis;
mod measurement;
mod number;
mod period;
mod publish;
mod quality;
mod segments;
mod spec;
mod trends;

pub use build::build;
pub use context::BuildContext;
pub use definition::{KpiChoice, Report, Section, check, read};
pub use document::*;
pub use error::ReportError;
pub use html::render;
pub use publish::{Published, publish};
pub use spec::ReportSpec;
