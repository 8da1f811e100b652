//! `stats`: the statistics of experiments on given sufficient statistics.

use std::io::Read;

use tranche_workspace::queries::statistics::{StatisticsRequest, evaluate};

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
    let request = StatisticsRequest {
        alpha: stats.alpha,
        inferences: &stats.inference,
        tunings: &stats.tuning,
        priors: &stats.prior,
        relative: stats.relative,
        alternative: stats.alternative,
        margin: stats.margin,
        looks: &stats.looks,
        spending: stats.spending,
        is_final: stats.last,
    };
    print_json(&evaluate(&stats.file, &text, &request)?, global.format)
}
