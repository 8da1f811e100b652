//! `test`: everything that CI checks, cheapest first, up to the first failure.

use std::time::Instant;

use crate::process::{build_tranche, cargo, has_cargo, run};
use crate::{Outcome, circles, layers, schemas, tidy};

/// How much of it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Extent {
    Full,
    /// Without the documentation.
    Quick,
}

enum Verdict {
    Passed,
    /// Not run, and why.
    Skipped(&'static str),
    Failed,
}

struct Stage {
    name: &'static str,
    work: fn(Extent) -> Result<Verdict, String>,
}

/// The cross-crate tests are a workspace of their own.
const CROSS_CRATE: [&str; 2] = ["--manifest-path", "tests/Cargo.toml"];

const STAGES: [Stage; 13] = [
    Stage { name: "fmt", work: |_| passed(formatted()) },
    Stage { name: "layers", work: |_| passed(layers::check()) },
    Stage { name: "circles", work: |_| passed(circles::check()) },
    Stage { name: "tidy", work: |_| passed(tidy::check()) },
    Stage {
        name: "clippy",
        work: |_| {
            passed(run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])))
        },
    },
    Stage {
        name: "clippy of tests",
        work: |_| {
            passed(run(cargo(&["clippy"]).args(CROSS_CRATE).args(["--all-targets", "--", "-D", "warnings"])))
        },
    },
    Stage { name: "unit tests", work: |_| passed(unit_tests()) },
    Stage { name: "doctests", work: |_| passed(run(&mut cargo(&["test", "--doc", "--workspace"]))) },
    Stage { name: "tests", work: |_| passed(cross_crate_tests()) },
    Stage { name: "schemas", work: |_| passed(schemas::check()) },
    Stage { name: "rustdoc", work: rustdoc },
    Stage { name: "deny", work: |_| if_installed("deny", &DENY) },
    Stage { name: "machete", work: |_| if_installed("machete", &[]) },
];

/// Licences, versions and origins of dependencies, and what is known against them.
const DENY: [&str; 5] = ["check", "advisories", "bans", "licenses", "sources"];

/// One line of the closing summary.
struct Line {
    stage: &'static str,
    seconds: f64,
    verdict: Verdict,
}

/// Runs the stages in order and stops at the first failure.
pub(crate) fn test(extent: Extent) -> Outcome {
    let mut lines = Vec::new();
    for stage in &STAGES {
        println!("── {}", stage.name);
        let start = Instant::now();
        let result = (stage.work)(extent);
        let seconds = start.elapsed().as_secs_f64();
        let (verdict, problem) = match result {
            Ok(verdict) => (verdict, None),
            Err(problem) => (Verdict::Failed, Some(problem)),
        };
        lines.push(Line { stage: stage.name, seconds, verdict });
        if let Some(problem) = problem {
            println!("\n{}", summary(&lines));
            return Err(problem);
        }
        println!("   {seconds:.1} s");
    }
    println!("\n{}", summary(&lines));
    Ok(())
}

fn passed(outcome: Outcome) -> Result<Verdict, String> {
    outcome.map(|()| Verdict::Passed)
}

fn formatted() -> Outcome {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    run(cargo(&["fmt"]).args(CROSS_CRATE).arg("--check"))
}

fn unit_tests() -> Outcome {
    let plain = ["test", "--workspace", "--lib", "--bins", "--tests"];
    if has_cargo("nextest") {
        run(&mut cargo(&["nextest", "run", "--workspace"]))
    } else {
        run(&mut cargo(&plain))
    }
}

/// The program as people run it, in scenarios: it is built first.
fn cross_crate_tests() -> Outcome {
    build_tranche()?;
    let runner: &[&str] = if has_cargo("nextest") { &["nextest", "run"] } else { &["test"] };
    run(cargo(runner).args(CROSS_CRATE))
}

fn rustdoc(extent: Extent) -> Result<Verdict, String> {
    if extent == Extent::Quick {
        return Ok(Verdict::Skipped("--quick"));
    }
    passed(run(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings")))
}

fn if_installed(subcommand: &str, arguments: &[&str]) -> Result<Verdict, String> {
    if has_cargo(subcommand) {
        passed(run(cargo(&[subcommand]).args(arguments)))
    } else {
        Ok(Verdict::Skipped("not installed"))
    }
}

fn summary(lines: &[Line]) -> String {
    let rows = lines.iter().map(|line| {
        let verdict = match line.verdict {
            Verdict::Passed => "ok".to_owned(),
            Verdict::Skipped(why) => format!("skipped: {why}"),
            Verdict::Failed => "FAILED".to_owned(),
        };
        format!("  {:<15} {:>7.1} s  {verdict}\n", line.stage, line.seconds)
    });
    let total: f64 = lines.iter().map(|line| line.seconds).sum();
    format!("{}  {:<15} {total:>7.1} s", rows.collect::<String>(), "total")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_of_deny_toml_is_checked() {
        let configuration =
            std::fs::read_to_string(crate::process::root().join("deny.toml")).expect("is there");
        let sections = configuration.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
        let checked: Vec<&str> = sections.filter(|section| *section != "graph").collect();
        assert_eq!(checked, ["advisories", "licenses", "bans", "sources"]);
        assert!(checked.iter().all(|section| DENY.contains(section)), "{DENY:?}");
    }

    #[test]
    fn the_summary_has_a_line_for_every_stage() {
        let line = |stage, seconds, verdict| Line { stage, seconds, verdict };
        let lines = [
            line("fmt", 0.5, Verdict::Passed),
            line("deny", 0.0, Verdict::Skipped("not installed")),
            line("clippy", 61.0, Verdict::Failed),
        ];
        assert_eq!(
            summary(&lines),
            "  fmt                 0.5 s  ok\n  deny                0.0 s  skipped: not installed\n  clippy             61.0 s  FAILED\n  total              61.5 s"
        );
    }
}
