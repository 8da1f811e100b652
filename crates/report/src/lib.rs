//! How results are shown.
//!
//! [`ReportSpec`] is a report as its author wrote it, [`Report`] what it means; [`build`] gathers what it shows into a
//! [`ReportDocument`], which is published as JSON and, by [`render`], as one self-contained page; [`publish`] writes both into the
//! lake.
//!
//! The page is a pure function of the document, and the document of the lake at one `as_of`: publishing again gives the same. This
//! crate estimates nothing by itself but the mean of a KPI; effects of experiments come as others stored them.

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
