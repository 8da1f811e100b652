//! The targets that a build plays corpora with, for a fuzzer.

#![expect(clippy::unwrap_used, reason = "what cannot continue has been found")]

#[path = "../../crates/workspace/tests/actions/hostile/mod.rs"]
mod hostile;
#[path = "../../crates/workspace/tests/actions/shop.rs"]
mod shop;

/// Hands bytes to a target.
pub fn play(name: &str, data: &[u8]) {
    let (_, target) = hostile::TARGETS.into_iter().find(|(other, _)| *other == name).unwrap();
    target(data);
}
