//! Entries of a table's log: the checksum of their lines, and the sizes of the files that they name.

use std::collections::HashMap;

use serde_json::Value;

/// The key of the checksum, the last of an entry's `commitInfo`, which every program may add keys to.
const KEY: &str = r#","tranche.blake3":""#;
const DIGITS: usize = 64;

/// The entry with the sizes of files as they are stored, by the names of the files, and a checksum.
pub(super) fn sealed(entry: &str, sizes: &HashMap<String, u64>) -> String {
    let mut text = String::with_capacity(entry.len() + 128);
    for line in entry.split_inclusive('\n') {
        match line.contains("\"add\"").then(|| with_size(line, sizes)).flatten() {
            Some(line) => text.push_str(&line),
            None => text.push_str(line),
        }
    }
    let Some(at) = end_of_commit_info(&text).filter(|_| !text.contains(KEY)) else { return text };
    let checksum = blake3::hash(text.as_bytes()).to_hex();
    text.insert_str(at, &format!("{KEY}{checksum}\""));
    text
}

/// The names of the files that an entry adds.
pub(super) fn added(entry: &str) -> Vec<String> {
    entry.lines().filter(|line| line.contains("\"add\"")).filter_map(|line| name(&parse(line)?)).collect()
}

/// Whether the lines of an entry are those that were written; an entry without a checksum is another program's.
pub(super) fn is_whole(entry: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(entry) else { return false };
    let Some((before, rest)) = text.split_once(KEY) else { return true };
    let Some((checksum, after)) = rest.split_at_checked(DIGITS) else { return false };
    let Some(after) = after.strip_prefix('"') else { return false };
    let mut hasher = blake3::Hasher::new();
    hasher.update(before.as_bytes()).update(after.as_bytes());
    hasher.finalize().to_hex().as_str() == checksum
}

/// Where keys can be added to the entry's `commitInfo`.
fn end_of_commit_info(entry: &str) -> Option<usize> {
    let mut begin = 0;
    for line in entry.split_inclusive('\n') {
        let content = line.trim_end();
        if content.starts_with("{\"commitInfo\":{\"") && content.ends_with("}}") {
            return Some(begin + content.len() - 2);
        }
        begin += line.len();
    }
    None
}

fn with_size(line: &str, sizes: &HashMap<String, u64>) -> Option<String> {
    let mut action = parse(line)?;
    let size = *sizes.get(&name(&action)?)?;
    *action.get_mut("add")?.get_mut("size")? = size.into();
    let end = if line.ends_with('\n') { "\n" } else { "" };
    Some(format!("{action}{end}"))
}

fn parse(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

/// The name of the file that an action adds, without its folder.
fn name(action: &Value) -> Option<String> {
    Some(action.get("add")?.get("path")?.as_str()?.rsplit('/').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "{\"commitInfo\":{\"operation\":\"WRITE\"}}\n\
        {\"add\":{\"path\":\"_day=2026-10-01/a.parquet\",\"size\":7,\"dataChange\":true}}\n\
        {\"add\":{\"path\":\"b.parquet\",\"size\":8,\"dataChange\":true}}";

    #[test]
    fn an_entry_has_the_sizes_of_its_files_and_tells_every_changed_byte() {
        let sealed = sealed(ENTRY, &HashMap::from([("a.parquet".to_owned(), 99)]));
        assert!(sealed.contains("\"size\":99") && sealed.contains("\"size\":8"), "{sealed}");
        assert_eq!(added(&sealed), ["a.parquet", "b.parquet"]);
        assert!(sealed.lines().all(|line| parse(line).is_some()), "{sealed}");
        assert!(is_whole(sealed.as_bytes()));
        let key = sealed.find(KEY).unwrap();
        for at in (0..sealed.len()).filter(|at| !(key..key + KEY.len()).contains(at)) {
            let mut flipped = sealed.clone().into_bytes();
            flipped[at] ^= 1;
            assert!(!is_whole(&flipped), "{at}");
        }
        assert!(!is_whole(&sealed.as_bytes()[..sealed.len() - 20]), "it is cut");
    }

    #[test]
    fn an_entry_of_another_program_is_taken_as_it_is() {
        assert!(is_whole(ENTRY.as_bytes()));
        let plain = "{\"protocol\":{\"minReaderVersion\":1}}";
        assert_eq!(sealed(plain, &HashMap::new()), plain);
    }
}
