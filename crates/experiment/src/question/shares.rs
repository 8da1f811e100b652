//! Two shares of successes, and what to believe of their difference and of the lift.

use serde_json::{Value, json};
use tranche_metric::Direction;
use tranche_stats::{Margin, ShareBeliefs, ShareOptions, believe_shares};

use crate::arms::Arms;

/// The posterior of both arms' shares.
pub(super) fn believed(arms: &Arms, options: &ShareOptions) -> Result<ShareBeliefs, String> {
    let [control, treatment] = arms.shares.ok_or_else(|| "successes were not counted".to_owned())?;
    if control.n == 0 || treatment.n == 0 {
        let arm = if control.n == 0 { "control" } else { "treatment" };
        return Err(format!("the {arm} arm has no units"));
    }
    super::defined(believe_shares(&control, &treatment, options))
}

/// The difference, with the fields of an estimate and those of a posterior.
pub(super) fn absolute(beliefs: &ShareBeliefs) -> Value {
    json!({
        "effect": beliefs.treatment_mean - beliefs.control_mean,
        "se": beliefs.difference_se,
        "ci": beliefs.difference_interval,
        "p": beliefs.two_tailed(),
        "chance_to_win": beliefs.chance_to_win,
        "risk": beliefs.risk_treatment,
        "risk_control": beliefs.risk_control,
    })
}

/// The lift, the same.
pub(super) fn relative(beliefs: &ShareBeliefs) -> Value {
    let Some(lift) = beliefs.lift else {
        return json!({"undefined": "the control has too few successes for a lift to have a mean and a variance"});
    };
    json!({
        "effect": lift.mean,
        "se": lift.se,
        "ci": beliefs.lift_interval,
        "p": beliefs.two_tailed(),
        "chance_to_win": beliefs.chance_to_win,
        "risk": lift.risk_treatment,
        "risk_control": lift.risk_control,
    })
}

/// The worst effect that is not ruled out at the options' alpha, and the chance that the treatment is worse by `margin` or more.
pub(super) fn loss_ruled_out(
    arms: &Arms,
    options: &ShareOptions,
    better: Direction,
    margin: Margin,
) -> Result<(f64, f64), String> {
    // The ends of the central interval of 1 - 2 alpha have a chance of alpha beyond each.
    let beliefs = believed(arms, &ShareOptions { alpha: 2.0 * options.alpha, ..*options })?;
    let (interval, chance_above): (_, &dyn Fn(f64) -> f64) = match margin {
        Margin::Absolute(_) => (beliefs.difference_interval, &|value| beliefs.chance_difference_above(value)),
        Margin::Relative(_) => (beliefs.lift_interval, &|value| beliefs.chance_lift_above(value)),
    };
    let (Margin::Absolute(size) | Margin::Relative(size)) = margin;
    Ok(match better {
        Direction::Increase => (interval[0], 1.0 - chance_above(-size)),
        Direction::Decrease => (interval[1], chance_above(size)),
    })
}
