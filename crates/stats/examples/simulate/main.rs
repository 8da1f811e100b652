//! Draws experiments whose truth is known and counts how often the estimators are wrong: `docs/simulations.md`.
//!
//! `cargo run --release -p tranche-stats --example simulate` prints the table. Tests run the same trials
//! with fewer draws.

mod claim;
mod trials;

use claim::Claim;

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn main() {
    println!("| trial | draws | expected | found | standard error | holds |");
    println!("|---|---|---|---|---|---|");
    for trial in trials::ALL {
        for claim in (trial.run)(trial.draws) {
            let Claim { what, draws, bound, found, .. } = &claim;
            let holds = if claim.holds() { "yes" } else { "**no**" };
            println!(
                "| {what} | {draws} | {bound} | {:.3} % | {:.3} % | {holds} |",
                100.0 * found,
                100.0 * claim.se()
            );
        }
    }
}
