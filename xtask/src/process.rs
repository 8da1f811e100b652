//! Running other programs: from the root of the repository, with one target folder for all chores.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest_dir).parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Where cargo builds: `CARGO_TARGET_DIR` if set, else a folder in the user's cache, which every checkout shares.
pub(crate) fn target_dir() -> PathBuf {
    let chosen = choose_target_dir(|name| env::var_os(name).filter(|value| !value.is_empty()));
    let chosen = chosen.unwrap_or_else(|| root().join("target"));
    std::path::absolute(&chosen).unwrap_or(chosen)
}

fn choose_target_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let cache = || {
        variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")))
    };
    variable("CARGO_TARGET_DIR").map(PathBuf::from).or_else(|| Some(cache()?.join("tranche").join("target")))
}

/// `cargo <arguments>`.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments);
    command.env("CARGO_TARGET_DIR", target_dir());
    // `cargo xtask` describes the package xtask in its environment. Some build scripts watch these variables, and the engine
    // would be compiled again each time that a chore and a plain `cargo build` take turns.
    let describes_xtask = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(describes_xtask)) {
        command.env_remove(name);
    }
    command
}

/// Any program, from the root of the repository.
pub(crate) fn program(path: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).current_dir(root());
    command
}

/// Builds the `tranche` binary and says where it is.
pub(crate) fn build_tranche() -> Result<PathBuf, String> {
    run(&mut cargo(&["build", "--package", "tranche-cli"]))?;
    Ok(target_dir().join("debug").join(format!("tranche{}", env::consts::EXE_SUFFIX)))
}

/// Runs to the end; what the program prints goes straight through.
pub(crate) fn run(command: &mut Command) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` failed ({status})", line_of(command))),
        Err(problem) => Err(format!("cannot start `{}`: {problem}", line_of(command))),
    }
}

/// Runs to the end and returns what the program printed on stdout.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|problem| format!("cannot start `{}`: {problem}", line_of(command)))?;
    if !output.status.success() {
        return Err(format!("`{}` failed ({})", line_of(command), output.status));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| format!("`{}` printed something that is not UTF-8", line_of(command)))
}

/// Whether cargo has this subcommand here.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    let mut command = cargo(&[subcommand, "--version"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as one would type it.
fn line_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words: Vec<_> = [program].into_iter().chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_is_the_one_asked_for_or_in_the_cache() {
        let check = |variables: &[(&str, &str)], expected: Option<&str>| {
            let variable = |name: &str| {
                variables.iter().find(|(given, _)| *given == name).map(|(_, value)| value.into())
            };
            assert_eq!(choose_target_dir(variable), expected.map(PathBuf::from), "{variables:?}");
        };
        check(&[("CARGO_TARGET_DIR", "/t"), ("XDG_CACHE_HOME", "/c"), ("HOME", "/h")], Some("/t"));
        check(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")], Some("/c/tranche/target"));
        check(&[("HOME", "/h")], Some("/h/.cache/tranche/target"));
        check(&[], None);
    }

    #[test]
    fn a_command_reads_as_typed() {
        assert_eq!(line_of(&program("/opt/bin/cargo", &["fmt", "--all"])), "cargo fmt --all");
    }
}
