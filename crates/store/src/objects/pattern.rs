//! Raw files by pattern, from any object store.

use std::borrow::Cow;
use std::path::Path as FilePath;

use futures::TryStreamExt;
use globset::{GlobBuilder, GlobMatcher};
use object_store::{ObjectMeta, ObjectStoreExt};

use super::storage::{Location, Storage, path_of_file_url};
use crate::StoreError;

/// An object that matches a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawObject {
    /// Its path and size.
    pub meta: ObjectMeta,
    /// Identifies this content of the object: its size, and its ETag or time of change.
    pub edition: String,
}

impl RawObject {
    fn new(meta: ObjectMeta) -> Self {
        let tag = meta.e_tag.clone().unwrap_or_else(|| meta.last_modified.to_rfc3339());
        Self { edition: format!("{}\n{tag}", meta.size), meta }
    }
}

/// What a pattern names: the objects in a folder whose paths from there look like it. The folder is a place as any other, so its
/// characters mean themselves, whatever they are.
#[derive(Debug, Clone)]
pub struct Matching {
    /// The folder; without a pattern, the one object.
    pub place: Location,
    glob: Option<GlobMatcher>,
}

impl Matching {
    /// What `path` names: a URL or a local path relative to `base`. `*` and `?` stay within a folder, `**` crosses folders, `[ab]` is one of
    /// these characters and `{a,b}` one of these texts; behind `\`, each of them is a character as any other, and so it is as `%5B` in a
    /// `file:` URL. A path without patterns names one object, which need not be listable (plain HTTP).
    ///
    /// # Errors
    /// [`StoreError::Pattern`] for a pattern that cannot be read, [`StoreError::Location`] for a place that cannot be used.
    pub fn new(storage: &Storage, path: &str, base: &FilePath) -> Result<Self, StoreError> {
        let Written { folder, pattern } = Written::read(path);
        let place = storage.resolve(&folder, base)?;
        let glob = pattern.map(|pattern| glob(&pattern, path)).transpose()?;
        Ok(Self { place, glob })
    }

    /// The objects, in the order of their paths.
    ///
    /// # Errors
    /// [`StoreError::Object`] when listing fails.
    pub async fn objects(&self) -> Result<Vec<RawObject>, StoreError> {
        let Location { store, path: folder, .. } = &self.place;
        let Some(glob) = &self.glob else {
            return match store.head(folder).await {
                Ok(meta) => Ok(vec![RawObject::new(meta)]),
                Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
                Err(source) => Err(StoreError::object(folder, source)),
            };
        };
        let below = |meta: &ObjectMeta| {
            let path = meta.location.as_ref().strip_prefix(folder.as_ref()).unwrap_or_default();
            glob.is_match(path.trim_start_matches('/'))
        };
        let mut found: Vec<RawObject> = match store.list(Some(folder)).try_collect::<Vec<_>>().await {
            Ok(objects) => objects.into_iter().filter(below).map(RawObject::new).collect(),
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(source) => return Err(StoreError::object(folder, source)),
        };
        found.sort_by(|a, b| a.meta.location.cmp(&b.meta.location));
        Ok(found)
    }
}

/// Whether a path can be read as a pattern.
///
/// # Errors
/// [`StoreError::Pattern`] for a pattern that cannot be read.
pub fn check_pattern(path: &str) -> Result<(), StoreError> {
    Written::read(path).pattern.map_or(Ok(()), |pattern| glob(&pattern, path).map(drop))
}

fn glob(pattern: &str, path: &str) -> Result<GlobMatcher, StoreError> {
    let built = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    built.map(|glob| glob.compile_matcher()).map_err(|error| StoreError::Pattern {
        pattern: path.to_owned(),
        reason: format!("{}; a character that is meant literally stands behind `\\`", error.kind()),
    })
}

/// A path as it is written, in its parts.
struct Written {
    /// The place up to the first part that is a pattern, without escapes.
    folder: String,
    /// The parts from there on.
    pattern: Option<String>,
}

impl Written {
    fn read(path: &str) -> Self {
        let local = path_of_file_url(&escaped(path)).map(Cow::into_owned);
        let path = local.as_deref().unwrap_or(path);
        let start = path.find("://").map_or(0, |colon| {
            let host = colon + "://".len();
            path[host..].find('/').map_or(path.len(), |slash| host + slash + 1)
        });
        let (bucket, path) = path.split_at(start);
        let parts: Vec<&str> = path.split('/').collect();
        let literal = parts.iter().take_while(|part| !is_pattern(part)).count();
        let folder = parts[..literal].iter().map(|part| unescaped(part)).collect::<Vec<_>>().join("/");
        if literal == parts.len() {
            return Self { folder: format!("{bucket}{folder}"), pattern: None };
        }
        let slash = if literal == 0 { "" } else { "/" };
        let pattern = parts[literal..].iter().filter(|part| !matches!(**part, "" | "."));
        let pattern = pattern.copied().collect::<Vec<_>>().join("/");
        Self { folder: format!("{bucket}{folder}{slash}"), pattern: Some(pattern) }
    }
}

/// A URL in which characters that would begin a pattern, and are written as `%5B`, are escaped instead.
fn escaped(url: &str) -> String {
    ['*', '?', '[', ']', '{', '}', '\\'].iter().fold(url.to_owned(), |url, &special| {
        let (code, escaped) = (u32::from(special), format!("\\{special}"));
        url.replace(&format!("%{code:02X}"), &escaped).replace(&format!("%{code:02x}"), &escaped)
    })
}

fn is_pattern(part: &str) -> bool {
    let mut characters = part.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '*' | '?' | '[' | '{' => return true,
            _ => {}
        }
    }
    false
}

/// A part of a path that is no pattern, with its characters as they are.
fn unescaped(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    let mut characters = part.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next().or(Some(character)) } else { Some(character) });
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use object_store::path::Path;

    use super::*;

    #[tokio::test]
    async fn a_star_stays_within_a_folder() {
        let storage = Storage::new(BTreeMap::new());
        let base = FilePath::new("/");
        let root = storage.resolve("memory://raw/", base).unwrap();
        for path in [
            "orders/1.csv",
            "orders/2.csv",
            "orders/old/3.csv",
            "orders/x.txt",
            "other/4.csv",
            "o[r]/{5}.csv",
        ] {
            root.store.put(&Path::parse(path).unwrap(), "x".into()).await.unwrap();
        }
        for (pattern, expected) in [
            ("orders/*.csv", &["orders/1.csv", "orders/2.csv"][..]),
            ("orders/**/*.csv", &["orders/1.csv", "orders/2.csv", "orders/old/3.csv"]),
            ("orders/**", &["orders/1.csv", "orders/2.csv", "orders/old/3.csv", "orders/x.txt"]),
            ("*/4.csv", &["other/4.csv"]),
            ("orders/x.txt", &["orders/x.txt"]),
            ("orders/{1,2}.csv", &["orders/1.csv", "orders/2.csv"]),
            ("o[rt]*/[45].csv", &["other/4.csv"]),
            (r"o\[r\]/*", &["o[r]/{5}.csv"]),
            (r"o\[r\]/\{5\}.csv", &["o[r]/{5}.csv"]),
            (r"*/\{?\}.csv", &["o[r]/{5}.csv"]),
            ("*/[{]5[}].csv", &["o[r]/{5}.csv"]),
            ("nowhere/*.csv", &[]),
            ("nowhere.csv", &[]),
        ] {
            let matching = Matching::new(&storage, &format!("memory://raw/{pattern}"), base).unwrap();
            let found = matching.objects().await.unwrap();
            let paths: Vec<&str> = found.iter().map(|o| o.meta.location.as_ref()).collect();
            assert_eq!(paths, expected, "{pattern}");
        }
        assert!(matches!(Matching::new(&storage, "memory://raw/{1", base), Err(StoreError::Pattern { .. })));
        assert!(check_pattern("data/[.csv").is_err() && check_pattern(r"data/\[.csv").is_ok());
    }

    #[tokio::test]
    async fn names_of_local_folders_and_files_are_taken_as_they_are() {
        let storage = Storage::new(BTreeMap::new());
        let folder = tempfile::tempdir().unwrap();
        let names =
            ["a[x]", "{a", "a]", "50%", "a%20b", "a b", "#1", "a#b", "why?", "*", "öß", "'q\"", "a\\b", "~"];
        for name in names {
            let base = folder.path().join(name);
            std::fs::create_dir_all(base.join(name)).unwrap();
            std::fs::write(base.join(name).join(format!("{name}.csv")), "x").unwrap();
            let escaped: String =
                name.chars().flat_map(|c| ["\\".to_owned(), c.to_string()]).collect::<Vec<_>>().concat();
            let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
            let url = format!("file://{}/{encoded}", folder.path().display());
            for path in [
                "**/*.csv".to_owned(),
                "*/*".to_owned(),
                format!("{escaped}/*.csv"),
                format!("{url}/*/*.csv"),
            ] {
                let found = Matching::new(&storage, &path, &base).unwrap().objects().await.unwrap();
                let paths: Vec<&str> = found.iter().map(|o| o.meta.location.as_ref()).collect();
                assert_eq!(paths.len(), 1, "{path}: {paths:?}");
                assert!(paths[0].ends_with(&format!("{name}/{name}/{name}.csv")), "{paths:?}");
                let content = found[0].meta.location.clone();
                let place = storage.resolve(".", &base).unwrap();
                assert_eq!(place.store.get(&content).await.unwrap().bytes().await.unwrap(), "x");
            }
        }
    }
}
