//! The one door of cross-crate tests to Tranche: a [`Sandbox`] with a project in it, and the `tranche` program run inside.
//!
//! Nothing here links the engine: what is tested is the program that people run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own with a project, removed when dropped.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What a run of the program gave.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// Its progress, logs and errors.
    pub stderr: String,
}

impl Ran {
    /// What it printed as JSON.
    ///
    /// # Panics
    /// When it printed something else.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {}\n{}", self.stdout, self.stderr))
    }

    /// Itself, when the exit code is `code`.
    ///
    /// # Panics
    /// When it is another.
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// An empty folder.
    ///
    /// # Panics
    /// When the system has no room for one.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary folder: {e}"));
        Self { folder, environment: Vec::new() }
    }

    /// A copy of `tests/scenarios/<name>/project`; with real data, `data` in it points at that.
    ///
    /// # Panics
    /// When the scenario is not there.
    #[must_use]
    pub fn scenario(name: &str, data: Option<&Path>) -> Self {
        let sandbox = Self::new();
        copy(&scenarios().join(name).join("project"), sandbox.path());
        if let Some(data) = data {
            let linked = std::os::unix::fs::symlink(data, sandbox.path().join("data"));
            linked.unwrap_or_else(|e| panic!("cannot link the data: {e}"));
        }
        sandbox
    }

    /// A copy of all that is in it, in a folder of its own.
    ///
    /// # Panics
    /// When it cannot be copied.
    #[must_use]
    pub fn twin(&self) -> Self {
        let twin = Self { environment: self.environment.clone(), ..Self::new() };
        copy(self.path(), twin.path());
        twin
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Sets a variable of the program's environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Writes a file, with the folders above it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        let parent = path.parent().unwrap_or(self.path());
        let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, content));
        written.unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
    }

    /// Replaces a text in a file that has it.
    ///
    /// # Panics
    /// When the file cannot be read, or does not have the text.
    pub fn amend(&self, path: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path().join(path));
        let text = text.unwrap_or_else(|e| panic!("cannot read {path}: {e}"));
        assert!(text.contains(from), "{path} lacks `{from}`:\n{text}");
        self.write(path, text.replace(from, to));
    }

    /// The program with these arguments, ready to be run in the folder.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        // As wide as a pipe, whatever the shell that runs the tests says.
        command.args(arguments).current_dir(self.path()).env_remove("COLUMNS");
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Runs the program.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = self
            .command(arguments)
            .output()
            .unwrap_or_else(|e| panic!("cannot start {}: {e}", program().display()));
        ran(output)
    }
}

/// What a finished process gave.
#[must_use]
pub fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The program that was built last beside these tests: `cargo xtask test` builds it first.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let found = own.ancestors().map(|folder| folder.join("tranche")).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("the program is not built: run `cargo build --package tranche-cli`"))
}

/// The real data: `TRANCHE_TEST_DATA`, default `../shared/data` beside the project. `None`, with a message, when it is not there.
#[must_use]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn real_data(test: &str) -> Option<PathBuf> {
    let default = || root().join("../shared/data");
    let folder = std::env::var_os("TRANCHE_TEST_DATA").map_or_else(default, PathBuf::from);
    let found = folder.canonicalize().ok().filter(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("skipped {test}: no real data at {}; set TRANCHE_TEST_DATA", folder.display());
    }
    found
}

/// The folder of scenarios.
#[must_use]
pub fn scenarios() -> PathBuf {
    root().join("tests/scenarios")
}

/// The root of the repository that is tested, which may not be where these tests were built: checkouts may share a target folder.
#[must_use]
pub fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map(Path::to_owned).unwrap_or(own)
}

fn copy(from: &Path, to: &Path) {
    let entries =
        std::fs::read_dir(from).unwrap_or_else(|e| panic!("no scenario at {}: {e}", from.display()));
    for entry in entries.flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target)
                .unwrap_or_else(|e| panic!("cannot copy {}: {e}", target.display()));
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target)
                .unwrap_or_else(|e| panic!("cannot copy {}: {e}", target.display()));
        }
    }
}

/// A line of a table's log without the checksum of all lines, so that a test may edit them; entries of other programs have none.
///
/// # Panics
/// When the checksum has no end.
#[must_use]
pub fn without_checksum(line: &str) -> String {
    let Some((before, rest)) = line.split_once(",\"tranche.blake3\":\"") else { return line.to_owned() };
    let (_, after) = rest.split_once('"').unwrap_or_else(|| panic!("no end of the checksum: {line}"));
    before.to_owned() + after
}
