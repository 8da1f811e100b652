//! Why a definition does not share scans.

/// Why a definition, or a part of it, is run as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotFusable(pub(crate) String);

impl NotFusable {
    pub(super) fn because<T>(reason: impl Into<String>) -> Result<T, Self> {
        Err(Self(reason.into()))
    }
}

impl From<datafusion::error::DataFusionError> for NotFusable {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        Self(error.strip_backtrace())
    }
}
