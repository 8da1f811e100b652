//! What an experiment showed, as plain data.
//!
//! [`ExperimentResult`] is the whole result at one `as_of`: the JSON of `experiment show`, and what is stored
//! of a measurement. Its rows are [`EstimateRow`]s (a treatment against control, by one metric in one
//! segment), each with an [`Effect`] per scale or the reason why there is none ([`EffectOutcome`]);
//! [`HealthCheck`]s of the data; the [`Series`] by day; [`HeterogeneityRow`]s between segments;
//! [`OutlierRow`]s; the [`Preregistration`]; and the [`Decision`].
//!
//! Nothing is computed here. `experiment` writes these rows; a reader of results needs to
//! know neither tables nor estimators. What an older result lacks, or a selection such as a report's JSON
//! leaves out, has its default.
//!
//! ```
//! use tranche_scorecard::{Effect, EffectOutcome, Interval};
//!
//! let effect = Effect { se: Some(0.1), ci: Interval::new(0.1, 0.5), p: Some(0.003), ..Effect::of(0.3) };
//! let text = serde_json::to_string(&EffectOutcome::Effect(effect))?;
//! assert_eq!(text, r#"{"ci":[0.1,0.5],"effect":0.3,"p":0.003,"se":0.1}"#);
//!
//! let nothing: EffectOutcome = serde_json::from_str(r#"{"undefined": "the control arm has no units"}"#)?;
//! assert_eq!(nothing.effect(), None);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod decision;
mod declared;
mod effect;
mod estimate;
mod health;
mod heterogeneity;
mod method;
mod metric;
mod outliers;
mod preregistration;
mod result;
mod series;

pub use decision::{Decision, VariantDecision};
pub use declared::Declared;
pub use effect::{Effect, EffectOutcome, Interval};
pub use estimate::{Basis, Conclusion, EstimateRow, NonInferiority, StepShares, StrataNote, Uncapped};
pub use health::{HealthCheck, SampleRatioCheck, Severity, TrafficRow, VariantCount};
pub use heterogeneity::{HeterogeneityRow, SegmentContrast};
pub use method::{EstimatorNote, FamilyNote, LookNote, MethodNote};
pub use metric::{Direction, MetricNote, MetricRole, ValueKind};
pub use outliers::{Concentration, OutlierRow, Refit};
pub use preregistration::{Amendment, Preregistration, RegisteredLook, RegisteredLooks};
pub use result::{ExperimentResult, Period};
pub use series::{Series, SeriesPoint, SeriesSpan};
