//! The project's chores: `cargo xtask <chore>`.
//!
//! A chore is a row of [`CHORES`] and a module of its own; [`process`] runs other programs for all of them.
//! Exit codes: 0 done, 1 the chore failed, 2 an argument is wrong.

mod circles;
mod demo;
mod layers;
mod process;
mod rust_source;
mod schemas;
mod test;
mod tidy;

use std::process::ExitCode;

/// What a chore comes to: nothing, or the problem, in words for the caller.
type Outcome = Result<(), String>;

struct Chore {
    name: &'static str,
    flags: &'static [&'static str],
    about: &'static str,
    run: fn(&Flags) -> Outcome,
}

/// The flags given to a chore, each known to it.
#[derive(Debug, PartialEq)]
struct Flags(Vec<String>);

impl Flags {
    fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|given| given == flag)
    }
}

const CHORES: [Chore; 6] = [
    Chore {
        name: "demo",
        flags: &[],
        about: "build, load the shop, run it month by month, show its report",
        run: |_| demo::demo(),
    },
    Chore {
        name: "test",
        flags: &["--quick"],
        about: "everything that CI checks; --quick leaves out the documentation",
        run: |flags| test::test(if flags.has("--quick") { test::Extent::Quick } else { test::Extent::Full }),
    },
    Chore {
        name: "layers",
        flags: &[],
        about: "crates depend only on the floors below them",
        run: |_| layers::check(),
    },
    Chore {
        name: "circles",
        flags: &[],
        about: "no files of a crate import from each other in a circle",
        run: |_| circles::check(),
    },
    Chore {
        name: "schemas",
        flags: &["--check"],
        about: "write docs/schemas/ again; --check fails if that would change it",
        run: |flags| if flags.has("--check") { schemas::check() } else { schemas::update() },
    },
    Chore {
        name: "tidy",
        flags: &[],
        about: "file heads, lengths, names, and words that must not stay",
        run: |_| tidy::check(),
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_none_or(|first| ["help", "--help", "-h"].contains(&first.as_str())) {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    match parse(&arguments) {
        Ok((chore, flags)) => match (chore.run)(&flags) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => {
                eprintln!("error: {problem}");
                ExitCode::from(1)
            }
        },
        Err(problem) => {
            eprintln!("error: {problem}\n\n{}", help());
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: &[String]) -> Result<(&'static Chore, Flags), String> {
    let (name, flags) = arguments.split_first().ok_or("no chore given")?;
    let chore = CHORES
        .iter()
        .find(|chore| chore.name == name)
        .ok_or_else(|| format!("there is no chore `{name}`"))?;
    match flags.iter().find(|flag| !chore.flags.contains(&flag.as_str())) {
        Some(unknown) => Err(format!("`{name}` does not know `{unknown}`")),
        None => Ok((chore, Flags(flags.to_vec()))),
    }
}

fn help() -> String {
    let lines = CHORES.iter().map(|chore| {
        let usage: Vec<String> = [chore.name.to_owned()]
            .into_iter()
            .chain(chore.flags.iter().map(|flag| format!("[{flag}]")))
            .collect();
        format!("  {:<18} {}\n", usage.join(" "), chore.about)
    });
    format!("cargo xtask <chore>\n\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(&'static str, Vec<String>), String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&arguments).map(|(chore, flags)| (chore.name, flags.0))
    }

    #[test]
    fn a_chore_takes_its_own_flags_only() {
        assert_eq!(parsed("test --quick"), Ok(("test", vec!["--quick".to_owned()])));
        assert_eq!(parsed("tidy"), Ok(("tidy", vec![])));
        assert_eq!(parsed("tidy --quick"), Err("`tidy` does not know `--quick`".to_owned()));
        assert_eq!(parsed("sweep"), Err("there is no chore `sweep`".to_owned()));
    }

    #[test]
    fn help_has_one_line_per_chore() {
        assert_eq!(help().lines().count(), CHORES.len() + 2);
        assert!(help().contains("  schemas [--check]  write docs/schemas/ again"), "{}", help());
    }
}
