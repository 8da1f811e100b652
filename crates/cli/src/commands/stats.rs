//! `stats`: the statistics of experiments on given sufficient statistics.

use std::io::Read;

use tranche_stats::Prior;
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
    let mut options = CasesOptions { alpha: stats.alpha, ..CasesOptions::default() };
    if !stats.tuning.is_empty() {
        options.sequential_tunings.clone_from(&stats.tuning);
    }
    if !stats.prior.is_empty() {
        options.priors = stats.prior.iter().map(|text| prior(text)).collect::<Result<_, _>>()?;
    }
    let results = evaluate(&document, &options).map_err(|e| Failure::definition(e.to_string()))?;
    print_json(&results, global.format)
}

fn prior(text: &str) -> Result<Prior, Failure> {
    let wrong = || Failure::definition(format!("`{text}` is not a prior; write `flat` or `MEAN,SD` such as `0,0.3`"));
    if text == "flat" {
        return Ok(Prior::Flat);
    }
    let (mean, sd) = text.split_once(',').ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| wrong());
    Ok(Prior::Normal { mean: number(mean)?, sd: number(sd)? })
}
