//! The operator's runbook has a section for each check of the doctor, and for each finding one that says what to do.

use std::collections::BTreeSet;

use tranche_tests::Sandbox;

use super::markdown::Document;
use super::shell::has_parts;

const RUNBOOK: &str = "docs/operations/doctor.md";

/// That the runbook has a section about this finding of a check: one whose title, between backticks, has the words of the finding, with
/// `...` for what varies.
pub(crate) fn assert_in_runbook(check: &str, finding: &str) {
    let runbook = Document::read(RUNBOOK);
    let line_of = |(line, title): &(usize, &str)| (title.trim_matches('`') == check).then_some(*line);
    let checks = runbook.headings(2);
    let from =
        checks.iter().find_map(line_of).unwrap_or_else(|| panic!("{RUNBOOK} has no section `{check}`"));
    let to = checks.iter().map(|(line, _)| *line).find(|line| *line > from).unwrap_or(usize::MAX);
    let sections: Vec<&str> = runbook
        .headings(3)
        .into_iter()
        .filter(|(line, _)| (from..to).contains(line))
        .map(|(_, title)| title)
        .collect();
    let is_about = |title: &&str| has_parts(finding, &format!("...{}...", plain(title)));
    assert!(sections.iter().any(is_about), "{RUNBOOK}: no section of `{check}` is about: {finding}");
}

/// A title without its outer backticks.
fn plain(title: &str) -> &str {
    title.trim_matches('`').trim()
}

#[test]
fn every_check_has_its_section() {
    let sandbox = Sandbox::new();
    sandbox.write("tranche.yaml", "version: 1\n");
    let lines = sandbox.run(&["doctor", "--deep", "--format", "json"]).expect_code(0).json();
    let checks: BTreeSet<String> = lines
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|line| line["check"].as_str().map(str::to_owned))
        .collect();
    let runbook = Document::read(RUNBOOK);
    let sections: BTreeSet<String> = runbook
        .headings(2)
        .into_iter()
        .filter_map(|(_, title)| title.strip_prefix('`')?.strip_suffix('`'))
        .map(str::to_owned)
        .collect();
    assert!(checks.len() > 5);
    assert_eq!(checks, sections, "the checks of the doctor, and the sections of {RUNBOOK}");
}
