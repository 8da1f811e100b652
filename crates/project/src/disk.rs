//! Definition files as they lie on a disk: what cannot be read of them is a problem at its place, as any other mistake in a definition.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::{Diagnostic, Position, SourceFile};

/// The definition files of a folder, as they are found.
pub(crate) struct Found<'a> {
    root: &'a Path,
    /// By path. A file that cannot be read is one with a problem in place of a text.
    pub(crate) files: BTreeMap<String, SourceFile>,
    /// Of folders that cannot be read.
    pub(crate) problems: Vec<Diagnostic>,
}

impl<'a> Found<'a> {
    pub(crate) fn new(root: &'a Path) -> Self {
        Self { root, files: BTreeMap::new(), problems: Vec::new() }
    }

    /// Reads the file at a path, if there is something there.
    pub(crate) fn file(&mut self, path: &str) {
        let place = self.root.join(path);
        let file = match fs::symlink_metadata(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => unreadable(path, cause(&place, &error)),
            Ok(found) if is_mark_of_an_editor(&place, &found) => return,
            Ok(_) if !self.is_within(&place) => outside(path),
            Ok(_) => read(path, &place),
        };
        self.files.insert(path.to_owned(), file);
    }

    /// Reads the files in a folder that have an extension, if there is such a folder.
    pub(crate) fn folder(&mut self, folder: &str, extension: &str) {
        for name in self.entries(folder) {
            if Path::new(&name).extension().is_some_and(|own| own.eq_ignore_ascii_case(extension)) {
                self.file(&format!("{folder}/{name}"));
            }
        }
    }

    /// The folders in a folder, if there is such a folder.
    pub(crate) fn folders(&mut self, folder: &str) -> Vec<String> {
        let mut folders = Vec::new();
        for name in self.entries(folder) {
            let path = format!("{folder}/{name}");
            let place = self.root.join(&path);
            match fs::metadata(&place) {
                Ok(found) if found.is_dir() => folders.push(name),
                Err(error) if !name.starts_with('.') => self.report(&path, cause(&place, &error)),
                _ => {}
            }
        }
        folders
    }

    /// The names in a folder, in their order. What is not there has none.
    fn entries(&mut self, folder: &str) -> Vec<String> {
        let place = self.root.join(folder);
        let listed = fs::read_dir(&place).and_then(|entries| {
            entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<OsString>>>()
        });
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                let is_missing = |error: io::Error| error.kind() == ErrorKind::NotFound;
                if !fs::symlink_metadata(&place).is_err_and(is_missing) {
                    self.report(folder, cause(&place, &error));
                }
                return Vec::new();
            }
        };
        let mut names = Vec::new();
        for name in listed {
            match name.into_string() {
                Ok(name) => names.push(name),
                Err(name) => {
                    let path = format!("{folder}/{}", name.to_string_lossy());
                    self.report(&path, ("this name is not UTF-8".to_owned(), "rename it"));
                }
            }
        }
        names.sort_unstable();
        names
    }

    /// Whether what lies at a place lies in the project, too: what a link leads to elsewhere, such as a secret of this machine, would be
    /// shown in messages, and be stored with each run.
    fn is_within(&self, place: &Path) -> bool {
        // What leads to nothing is told as that.
        match (fs::canonicalize(self.root), fs::canonicalize(place)) {
            (Ok(root), Ok(place)) => place.starts_with(root),
            _ => true,
        }
    }

    fn report(&mut self, path: &str, (message, help): (String, &str)) {
        let file = SourceFile::new(path, "");
        self.problems.push(file.problem(Position::START, message).with_help(help));
    }
}

fn outside(path: &str) -> SourceFile {
    let message = "a symbolic link leads out of the project from here".to_owned();
    unreadable(path, (message, "put the file itself here: a project is what its folder holds"))
}

/// Editors mark an open file by a hidden link that leads to nothing.
fn is_mark_of_an_editor(place: &Path, found: &fs::Metadata) -> bool {
    let is_hidden = place.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    is_hidden && found.is_symlink() && !place.exists()
}

fn read(path: &str, place: &Path) -> SourceFile {
    // What is no file is not opened: a pipe would be waited for.
    match fs::metadata(place) {
        Ok(found) if found.is_file() => match fs::read(place) {
            Ok(bytes) => SourceFile::from_bytes(path, &bytes),
            Err(error) => unreadable(path, cause(place, &error)),
        },
        Ok(found) => {
            let what = if found.is_dir() { "a folder" } else { "a pipe, a socket or a device" };
            let message = format!("this is {what}, and a definition is a file");
            unreadable(path, (message, "rename it, or write the definition into a file of this name"))
        }
        Err(error) => unreadable(path, cause(place, &error)),
    }
}

fn unreadable(path: &str, (message, help): (String, &str)) -> SourceFile {
    SourceFile::unreadable(path, message, help)
}

/// Why something that is there cannot be read, and what to do.
fn cause(place: &Path, error: &io::Error) -> (String, &'static str) {
    match (error.kind(), place.is_symlink()) {
        (ErrorKind::NotFound, true) => {
            ("this symbolic link leads to nothing".to_owned(), "point it to what is there, or remove it")
        }
        (ErrorKind::NotADirectory, _) => {
            ("this is a file, and definitions lie in a folder of this name".to_owned(), "rename it")
        }
        (ErrorKind::PermissionDenied, _) => {
            (format!("this cannot be read: {error}"), "let the user that runs tranche read it")
        }
        (_, true) => (
            format!("this symbolic link cannot be followed: {error}"),
            "point it to what is there, or remove it",
        ),
        (_, false) => (format!("this cannot be read: {error}"), "try again, or examine the disk"),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::{DefinitionKind, Problems, Project, yaml};

    #[test]
    fn what_cannot_be_read_is_a_problem_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        fs::write(elsewhere.path(), "root:secret").unwrap();
        for path in ["schemas/folder.yaml", "pipelines/shop/segments/folder.sql", "pipelines/mail"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        for (path, content) in [
            ("tranche.yaml", &b"version: 1\n"[..]),
            ("schemas/latin.yaml", b"version: 1\ntable: stra\xdfe\n"),
            ("schemas/wide.yaml", b"\xff\xfev\0"),
            ("schemas/right.yaml", "table: straße\n".as_bytes()),
            ("schemas/notes.txt", b"\xff"),
            ("pipelines/shop/pipeline.yaml", b"version: 1\n"),
            ("pipelines/shop/segments/latin.sql", b"/*---\nsegment: a\n---*/\r-- \xfc\n"),
            ("pipelines/mail/sources", b""),
        ] {
            fs::write(root.join(path), content).unwrap();
        }
        let _socket = UnixListener::bind(root.join("schemas/socket.yaml")).unwrap();
        for (target, link) in [
            ("circle.yaml", "schemas/circle.yaml"),
            ("gone.yaml", "schemas/gone_away.yaml"),
            ("user@host:7", "schemas/.#right.yaml"),
            ("round", "pipelines/round"),
            ("metrics", "pipelines/shop/metrics"),
            (".", "pipelines/shop/traits"),
            ("right.yaml", "schemas/also_right.yaml"),
            (elsewhere.path().to_str().unwrap(), "schemas/secret.yaml"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        fs::write(root.join("schemas").join(std::ffi::OsStr::from_bytes(b"\xfc.yaml")), "").unwrap();
        let project = Project::read(root).unwrap();
        let mut problems = Problems::default();
        project.check_layout(&mut problems);
        let segments = project.definitions("shop", DefinitionKind::Segment);
        for file in project.schemas().chain(segments) {
            if file.text().is_empty() || file.text().contains('\u{fffd}') {
                assert!(yaml::read::<u64>(file, &mut problems).is_none());
            }
        }
        let found = problems.into_sorted();
        let shown: Vec<String> =
            found.iter().map(|p| format!("{}:{}:{}: {}", p.file, p.line, p.column, p.message)).collect();
        let link = "this symbolic link cannot be followed: Too many levels of symbolic links (os error 40)";
        assert_eq!(
            shown,
            [
                "pipelines/mail/sources:1:1: this is a file, and definitions lie in a folder of this name",
                &format!("pipelines/round:1:1: {link}"),
                &format!("pipelines/shop/metrics:1:1: {link}"),
                "pipelines/shop/segments/folder.sql:1:1: this is a folder, and a definition is a file",
                "pipelines/shop/segments/latin.sql:4:4: the byte 0xFC is not UTF-8 (in Latin-1 it is `ü`)",
                &format!("schemas/circle.yaml:1:1: {link}"),
                "schemas/folder.yaml:1:1: this is a folder, and a definition is a file",
                "schemas/gone_away.yaml:1:1: this symbolic link leads to nothing",
                "schemas/latin.yaml:2:12: the byte 0xDF is not UTF-8 (in Latin-1 it is `ß`)",
                "schemas/secret.yaml:1:1: a symbolic link leads out of the project from here",
                "schemas/socket.yaml:1:1: this is a pipe, a socket or a device, and a definition is a file",
                "schemas/wide.yaml:1:1: this file is UTF-16",
                "schemas/\u{fffd}.yaml:1:1: this name is not UTF-8",
            ]
        );
        assert!(found.iter().all(|problem| problem.help.is_some()));
        assert!(project.files().all(|file| !file.text().contains("secret")), "it was not read");
    }
}
