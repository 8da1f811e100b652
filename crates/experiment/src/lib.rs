//! How experiments are measured.
