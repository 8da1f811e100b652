//! How facts become metrics.
