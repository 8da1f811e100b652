//! Whether an effect hinges on a few units.

use tranche_scorecard::{Conclusion, HealthCheck, OutlierRow, Refit, Severity};
use tranche_segment::EVERYONE;

/// A change of sign counts when one unit moves the effect by more than this many standard errors: near zero
/// any unit may turn it.
const LEAST_MOVE: f64 = 0.5;

/// Whether the sign or the conclusion hinges on the largest units.
pub(super) fn check(row: &OutlierRow) -> HealthCheck {
    let OutlierRow { metric, variant, .. } = row;
    let largest = row.arms.iter().find(|arm| arm.variant == row.largest_in);
    let share = largest.map_or_else(String::new, |arm| {
        format!("{:.5}, {:.1} % of all in `{}`", arm.largest, 100.0 * arm.largest_share, arm.variant)
    });
    let without = format!("without the largest unit ({share}) it is {}", described(&row.without_largest));
    let capped = row
        .cap
        .zip(row.capped.as_ref())
        .map(|(cap, refit)| format!("with values capped at {cap:.5} it is {}", described(refit)));
    let by_one = hinges(&row.as_is, &row.without_largest);
    let by_cap = row.capped.as_ref().is_some_and(|capped| row.as_is.conclusion != capped.conclusion);
    let what = if by_one || by_cap { "hinges on a few units" } else { "does not hinge on a few units" };
    let refits: Vec<String> = std::iter::once(without).chain(capped).collect();
    let finding = format!(
        "the effect of `{variant}` on {metric} {what}: it is {}, {}",
        described(&row.as_is),
        refits.join(", ")
    );
    HealthCheck {
        severity: Severity::Warning,
        metric: Some(metric.clone()),
        variant: Some(variant.clone()),
        ..HealthCheck::gate("outliers", EVERYONE, !(by_one || by_cap), finding, ADVICE)
    }
}

const ADVICE: &str = "check these units for bots, resellers and logging errors; give the metric a `cap:` by a value or a \
                      quantile before the next experiment: a cap that is chosen after seeing the effect invalidates the test";

/// Whether the conclusion is another, or the sign is and the effect moved by more than chance would explain.
fn hinges(as_is: &Refit, without: &Refit) -> bool {
    let Some((before, after)) = as_is.absolute.as_ref().zip(without.absolute.as_ref()) else { return true };
    let turns = before.effect * after.effect < 0.0;
    let moves = before.se.is_some_and(|se| (before.effect - after.effect).abs() > LEAST_MOVE * se);
    as_is.conclusion != without.conclusion || (turns && moves)
}

/// "1.25 (better)".
fn described(refit: &Refit) -> String {
    let conclusion = match refit.conclusion {
        Some(Conclusion::Better) => "better",
        Some(Conclusion::Worse) => "worse",
        Some(Conclusion::Unclear) => "unclear",
        None => "not to be judged",
    };
    let effect = refit.absolute.as_ref().map(|absolute| absolute.effect);
    effect.map_or_else(|| "undefined".to_owned(), |effect| format!("{effect:.5} ({conclusion})"))
}

#[cfg(test)]
#[path = "outliers_tests.rs"]
mod tests;
