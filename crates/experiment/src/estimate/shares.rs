//! The posterior of two shares of successes: of their difference, and of the lift.

use tranche_metric::Direction;
use tranche_scorecard::{Effect, EffectOutcome, Interval};
use tranche_stats::{Margin, ShareOptions, SharePosterior, share_posterior};

use super::arms::Arms;

/// The posterior of both arms' shares.
pub(super) fn posterior(arms: &Arms, options: &ShareOptions) -> Result<SharePosterior, String> {
    let [control, treatment] = arms.shares.ok_or_else(|| "successes were not counted".to_owned())?;
    if control.n == 0 || treatment.n == 0 {
        let arm = if control.n == 0 { "control" } else { "treatment" };
        return Err(format!("the {arm} arm has no units"));
    }
    share_posterior(&control, &treatment, options).into_result().map_err(|reason| reason.to_string())
}

/// The difference, with the numbers of an estimate and those of a posterior.
pub(super) fn difference(posterior: &SharePosterior) -> EffectOutcome {
    let [low, high] = posterior.difference_interval;
    EffectOutcome::Effect(Effect {
        se: Some(posterior.difference_se),
        ci: Interval::new(low, high),
        p: Some(posterior.two_tailed()),
        chance_to_win: Some(posterior.chance_to_win),
        risk: Some(posterior.risk_treatment),
        risk_control: Some(posterior.risk_control),
        ..Effect::of(posterior.treatment_mean - posterior.control_mean)
    })
}

/// The lift, the same.
pub(super) fn lift(posterior: &SharePosterior) -> EffectOutcome {
    let Some(lift) = posterior.lift else {
        let reason = "the control has too few successes for a lift to have a mean and a variance";
        return EffectOutcome::undefined(reason);
    };
    let [low, high] = posterior.lift_interval;
    EffectOutcome::Effect(Effect {
        se: Some(lift.se),
        ci: Interval::new(low, high),
        p: Some(posterior.two_tailed()),
        chance_to_win: Some(posterior.chance_to_win),
        risk: Some(lift.risk_treatment),
        risk_control: Some(lift.risk_control),
        ..Effect::of(lift.mean)
    })
}

/// The worst effect that is not ruled out at the options' alpha, and the chance that the treatment is worse
/// by `margin` or more.
pub(super) fn loss_ruled_out(
    arms: &Arms,
    options: &ShareOptions,
    better: Direction,
    margin: Margin,
) -> Result<(f64, f64), String> {
    // The ends of the central interval of 1 - 2 alpha have a chance of alpha beyond each.
    let posterior = posterior(arms, &ShareOptions { alpha: 2.0 * options.alpha, ..*options })?;
    let (interval, chance_above): (_, &dyn Fn(f64) -> f64) = match margin {
        Margin::Absolute(_) => {
            (posterior.difference_interval, &|value| posterior.chance_difference_above(value))
        }
        Margin::Relative(_) => (posterior.lift_interval, &|value| posterior.chance_lift_above(value)),
    };
    let (Margin::Absolute(size) | Margin::Relative(size)) = margin;
    Ok(match better {
        Direction::Increase => (interval[0], 1.0 - chance_above(-size)),
        Direction::Decrease => (interval[1], chance_above(size)),
    })
}
