//! `stats`: the statistics of experiments on given sufficient statistics.

use std::io::Read;

use tranche_stats::GroupSequential;
use tranche_stats::cases::{CasesDocument, CasesOptions, evaluate};

use crate::args::{Global, Stats};
use crate::failure::Failure;
use crate::output::print_json;

pub(super) fn run(stats: &Stats, global: &Global) -> Result<(), Failure> {
    let unreadable = |e: std::io::Error| Failure::definition(format!("cannot read {}: {e}", stats.file));
    let text = if stats.file == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(unreadable)?;
        text
    } else {
        std::fs::read_to_string(&stats.file).map_err(unreadable)?
    };
    let document: CasesDocument = serde_json::from_str(&text)
        .map_err(|e| Failure::definition(format!("{}:{}:{}: {e}", stats.file, e.line(), e.column())))?;
    let looks = GroupSequential::parse(stats.spending, &stats.looks)
        .map_err(|e| Failure::definition(e.to_string()))?;
    let mut options = CasesOptions {
        alpha: stats.alpha,
        relative: stats.relative,
        alternative: stats.alternative,
        margin: stats.margin,
        looks: GroupSequential { is_final: stats.last, ..looks },
        ..CasesOptions::default()
    };
    if !stats.inference.is_empty() {
        options.inferences.clone_from(&stats.inference);
    }
    if !stats.tuning.is_empty() {
        options.sequential_tunings.clone_from(&stats.tuning);
    }
    if !stats.prior.is_empty() {
        options.priors.clone_from(&stats.prior);
    }
    let results = evaluate(&document, &options).map_err(|e| Failure::definition(e.to_string()))?;
    print_json(&results, global.format)
}
