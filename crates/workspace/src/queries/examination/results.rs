//! The findings of an examination, check by check.

use schemars::JsonSchema;
use serde::Serialize;
use tranche_store::integrity::Finding;

use crate::failure::Failure;

/// A check that holds, or one finding of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckResult {
    /// The check, such as `storage` or `tables`.
    pub check: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// What holds, or what does not.
    pub finding: String,
    /// What to do about it; empty where the check holds.
    pub advice: String,
}

/// The checks so far.
#[derive(Default)]
pub(super) struct Examination {
    pub(super) results: Vec<CheckResult>,
}

impl Examination {
    /// Adds the findings of a check; `holds` is what holds when there are none.
    pub(super) fn add(&mut self, check: &'static str, holds: &str, findings: Vec<Finding>) {
        if findings.is_empty() {
            self.results.push(CheckResult {
                check,
                ok: true,
                finding: holds.to_owned(),
                advice: String::new(),
            });
        }
        let result = |finding: Finding| CheckResult {
            check,
            ok: false,
            finding: finding.problem,
            advice: finding.advice,
        };
        self.results.extend(findings.into_iter().map(result));
    }

    /// The same of a check that may fail: then the failure is its finding.
    pub(super) fn add_result(
        &mut self,
        check: &'static str,
        holds: &str,
        findings: Result<Vec<Finding>, Failure>,
    ) {
        let findings = findings.unwrap_or_else(|failure| {
            let advice = "correct what the other findings name, then run `tranche doctor` again";
            vec![Finding::new(failure.message, advice)]
        });
        self.add(check, holds, findings);
    }
}
