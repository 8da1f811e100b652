//! Settings from the environment.

/// A variable of the environment.
#[must_use]
pub fn environment_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
