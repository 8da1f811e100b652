//! The keys of `tranche.yaml` that other crates read: each knows the form of its own.

use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_yaml::Spanned;

use crate::problems::Problems;
use crate::source_file::SourceFile;
use crate::yaml;

/// The top level of `tranche.yaml`, for the crates that read sections of it.
#[derive(Debug, Clone, Default)]
pub struct Sections(Option<SourceFile>);

impl Sections {
    pub(crate) fn of(file: &SourceFile) -> Self {
        Self(Some(file.clone()))
    }

    /// Reads the keys that `T` has as fields; `T` ignores all others. Problems are reported; `None` when
    /// there is no such file, or these keys cannot be read.
    pub fn read<T: DeserializeOwned>(&self, problems: &mut Problems) -> Option<(&SourceFile, T)> {
        let file = self.0.as_ref()?;
        Some((file, yaml::read(file, problems)?))
    }

    /// Reports every key that is none of `known`.
    pub fn check(&self, known: &[&str], problems: &mut Problems) {
        // A file that cannot be read was reported by the one who read it.
        let Some((file, Keys(keys))) = self.read::<Keys>(&mut Problems::default()) else { return };
        for key in keys.iter().filter(|key| !known.contains(&key.value.as_str())) {
            problems.report(file, key.referenced, yaml::unknown_key_message(&key.value, known));
        }
    }
}

/// The keys of a mapping.
struct Keys(Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor;
        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping such as {version: 1}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = map.next_key()? {
                    map.next_value::<IgnoredAny>()?;
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(KeysVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Project;

    #[derive(Deserialize)]
    struct Greeting {
        greeting: Option<Spanned<String>>,
    }

    #[test]
    fn each_reads_its_own_keys_and_unknown_ones_are_reported() {
        let text = "version: 1\ngreeting: hello\nlaek: ./x\n";
        let mut problems = Problems::default();
        let settings = Project::from_files([("tranche.yaml", text)]).settings(&mut problems);
        let (_, found) = settings.sections.read::<Greeting>(&mut problems).unwrap();
        let greeting = found.greeting.unwrap();
        assert_eq!((greeting.value.as_str(), greeting.referenced.line()), ("hello", 2));
        assert!(problems.is_empty(), "{problems:?}");
        settings.sections.check(&["version", "lake", "greeting"], &mut problems);
        let found = problems.into_sorted();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].line, found[0].message.as_str()),
            (3, "unknown key `laek`; did you mean `lake`?")
        );
    }
}
