//! `decision:` of an experiment, as its author wrote it.

use schemars::JsonSchema;
use serde::Deserialize;

/// `decision:` of an experiment: the rule that turns its result into a decision.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionSpec {
    /// When to ship a variant.
    pub ship: ShipSpec,
    /// The metrics whose harm stops a variant (default any).
    pub stop: HarmSpec,
    /// The decision at the end of the plan about a variant that was neither shipped nor stopped (default
    /// undecided).
    pub at_end: AtEndSpec,
}

/// `ship:` of a decision.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShipSpec {
    /// How many goals must be superior (default all).
    pub goals: GoalsSpec,
    /// The requirement on guardrails (default `non_inferior`).
    pub guardrails: GuardrailsSpec,
}

/// How many goals must be superior.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoalsSpec {
    /// Each of them.
    #[default]
    All,
    /// One or more, and none worse.
    Any,
}

/// The requirement on guardrails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuardrailsSpec {
    /// A loss beyond the margin is ruled out; every guardrail needs a margin.
    #[default]
    NonInferior,
    /// No harm is shown.
    NotHarmed,
}

/// The metrics whose harm stops a variant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HarmSpec {
    /// A goal or a guardrail is worse.
    #[default]
    Any,
    /// A guardrail is worse.
    Guardrail,
    /// None.
    Never,
}

/// The decision at the end of the plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtEndSpec {
    /// A person decides.
    #[default]
    Undecided,
    /// A variant that was not shipped is stopped.
    Stop,
}
