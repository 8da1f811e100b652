//! The trials of `examples/simulate` with few draws, so that a broken estimator fails within seconds. The full form is in
//! `docs/simulations.md`.

#[path = "../examples/simulate/claim.rs"]
mod claim;
#[path = "../examples/simulate/trials/mod.rs"]
mod trials;

/// The full form draws this many times as often.
const FEWER: u32 = 200;

#[test]
fn every_trial_keeps_its_claims() {
    let mut broken = Vec::new();
    let mut checked = 0;
    for trial in trials::ALL {
        for claim in (trial.run)((trial.draws / FEWER).max(12)) {
            checked += 1;
            if !claim.holds() {
                broken.push(format!(
                    "{}: {}, not {}, in {} draws",
                    claim.what, claim.found, claim.bound, claim.draws
                ));
            }
        }
    }
    assert!(checked > 50, "{checked}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
