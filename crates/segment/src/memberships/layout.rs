//! How memberships lie in files.
//!
//! Open memberships stand in files of their own, each of a few segments that are neighbours in the order of their names; a file
//! holds whole segments, or a part of one that is too large for a file, its rows in the order of entry. A refresh rewrites those files in which a segment
//! changed. Memberships that ended stand in other files, which only grow in number. What a file holds is known from its statistics in
//! the log and not by its name, so that any tool may rewrite the table.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::Timestamp;
use tranche_schema::platform::{self, memberships};
use tranche_store::DataFile;
use tranche_store::table::FileStatistics;

/// About so many rows are in a file.
pub(crate) const FILE_ROWS: usize = 1 << 20;

/// No more segments than this share a file: a change in one of them writes all of them.
pub(crate) const FILE_SEGMENTS: usize = 16;

/// Which memberships a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Open ones.
    Open,
    /// Ended ones.
    Ended,
    /// Both, or it is not known.
    Mixed,
}

/// A file of memberships, as its log describes it.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) file: DataFile,
    pub(crate) kind: Kind,
    /// The first and last segment, where known. They bound what is in the file; they need not be in it.
    segments: Option<(String, String)>,
    /// No membership in it ended later, where known.
    last_exit: Option<Timestamp>,
}

impl StoredFile {
    pub(crate) fn new(file: DataFile, known: &FileStatistics) -> Self {
        let kind = match (known.nulls.get(memberships::EXITED_AT), file.rows) {
            (Some(0), Some(_)) => Kind::Ended,
            (Some(nulls), Some(rows)) if *nulls == rows => Kind::Open,
            _ => Kind::Mixed,
        };
        let text =
            |bound: Option<&serde_json::Value>| bound.and_then(|value| value.as_str().map(str::to_owned));
        let segments =
            text(known.least.get(platform::SEGMENT)).zip(text(known.greatest.get(platform::SEGMENT)));
        let last_exit = text(known.greatest.get(memberships::EXITED_AT)).and_then(|at| at.parse().ok());
        Self { file, kind, segments, last_exit }
    }

    /// Whether rows of any of the segments may be in it.
    pub(crate) fn may_hold(&self, segments: &BTreeSet<String>) -> bool {
        let Some((first, last)) = &self.segments else { return true };
        segments.range(first.clone()..).next().is_some_and(|next| next <= last)
    }

    /// Whether a membership in it may have ended at `from` or later. The log may have cut an instant to the millisecond.
    pub(crate) fn may_end_from(&self, from: Timestamp) -> bool {
        self.last_exit.is_none_or(|last| last.as_millisecond() >= from.as_millisecond())
    }

    /// The first segment that may be in it.
    pub(crate) fn first_segment(&self) -> Option<&str> {
        self.segments.as_ref().map(|(first, _)| first.as_str())
    }
}

/// A part of a segment's open rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its place in the list of segments.
    pub(crate) segment: usize,
    pub(crate) rows: Range<usize>,
}

/// Puts segments, in the order of their names, into files. No file reaches across a fence: the first segment of a file that stays.
pub(crate) fn pack(segments: &[(&str, usize)], fences: &BTreeSet<String>) -> Vec<Vec<Part>> {
    let mut files: Vec<Vec<Part>> = Vec::new();
    let mut open: Vec<Part> = Vec::new();
    let mut open_rows = 0;
    let mut last = "";
    for (segment, &(name, rows)) in segments.iter().enumerate() {
        let fenced = fences.range(last.to_owned()..=name.to_owned()).any(|fence| fence.as_str() > last);
        if open.len() == FILE_SEGMENTS || open_rows + rows > FILE_ROWS || fenced {
            files.push(std::mem::take(&mut open));
            open_rows = 0;
        }
        last = name;
        if rows <= FILE_ROWS {
            open.push(Part { segment, rows: 0..rows });
            open_rows += rows;
            continue;
        }
        let starts = (0..rows).step_by(FILE_ROWS);
        files.extend(starts.map(|start| vec![Part { segment, rows: start..rows.min(start + FILE_ROWS) }]));
    }
    files.push(open);
    files.retain(|file| !file.is_empty());
    files
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    /// What `pack` makes of segments, as `name rows` joined by `+` for each file.
    fn check(segments: &[(&str, usize)], fences: &[&str], expected: &[&str]) {
        let fences = fences.iter().map(|&fence| fence.to_owned()).collect();
        let files: Vec<String> = pack(segments, &fences)
            .iter()
            .map(|file| {
                let parts =
                    file.iter().map(|part| format!("{} {}", segments[part.segment].0, part.rows.len()));
                parts.collect::<Vec<_>>().join("+")
            })
            .collect();
        assert_eq!(files, expected);
    }

    #[test]
    fn files_hold_whole_segments_or_parts_of_one() {
        check(&[], &[], &[]);
        check(&[("a", 3), ("b", 4)], &[], &["a 3+b 4"]);
        check(&[("a", 3), ("b", FILE_ROWS), ("c", 1), ("d", 1)], &[], &["a 3", "b 1048576", "c 1+d 1"]);
        check(
            &[("a", 1), ("b", 2 * FILE_ROWS + 1), ("c", 1)],
            &[],
            &["a 1", "b 1048576", "b 1048576", "b 1", "c 1"],
        );
        check(&[("a", 1), ("c", 1), ("d", 1)], &["b"], &["a 1", "c 1+d 1"]);
        check(&[("a", 1), ("b", 1)], &["b", "c"], &["a 1", "b 1"]);
        let names: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
        let many: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let files = pack(&many, &BTreeSet::new());
        assert_eq!(files.iter().map(Vec::len).collect::<Vec<_>>(), [16, 4]);
    }

    #[test]
    fn statistics_describe_the_content_of_a_file() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (nulls, last_exit, kind, may_end) in [
            (json!(3), Value::Null, Kind::Open, true),
            (json!(0), json!("2026-10-01T00:00:00Z"), Kind::Ended, false),
            (json!(0), json!("2026-10-02T00:00:00.000Z"), Kind::Ended, true),
            (json!(1), json!("2026-10-02T00:00:00Z"), Kind::Mixed, true),
            (Value::Null, Value::Null, Kind::Mixed, true),
        ] {
            let bound = |value: &str| BTreeMap::from([(platform::SEGMENT.to_owned(), json!(value))]);
            let mut known =
                FileStatistics { least: bound("b"), greatest: bound("d"), nulls: BTreeMap::new() };
            known.nulls.extend(nulls.as_u64().map(|count| (memberships::EXITED_AT.to_owned(), count)));
            known.greatest.insert(memberships::EXITED_AT.to_owned(), last_exit);
            let file =
                DataFile { path: "x".to_owned(), size_bytes: 1, rows: Some(3), partition: BTreeMap::new() };
            let file = StoredFile::new(file, &known);
            assert_eq!(file.kind, kind, "{nulls}");
            assert_eq!(file.may_end_from(at("2026-10-02T00:00:00.000001Z")), may_end, "{nulls}");
            let may_hold =
                |names: &[&str]| file.may_hold(&names.iter().map(|&name| name.to_owned()).collect());
            assert!(may_hold(&["a", "c"]) && may_hold(&["d"]) && !may_hold(&["a", "e"]) && !may_hold(&[]));
        }
    }
}
